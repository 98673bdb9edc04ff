// A request for a page, as a browser, curl or a monitoring program sends it.

/// A GET or HEAD for a page of ours; nothing but its path matters.
package struct PageRequest: Hashable, Sendable {
    /// Why a request is answered with nothing but a status.
    package enum Refusal: Error, Hashable {
        case malformed, tooLong
        /// Neither GET nor HEAD.
        case method

        /// The status code (RFC 9110, 15.5).
        package var status: Int {
            switch self {
            case .malformed: 400
            case .tooLong: 431
            case .method: 405
            }
        }
    }

    /// Longest head, in bytes, and most fields in it.
    package static let maximumLength = 8192
    package static let maximumFields = 64

    /// Without the query.
    package let path: String
    /// Only the head of the answer is wanted.
    package let isHead: Bool
}

/// Reads one request. Looks at each byte once, whatever the pieces.
package struct PageRequestReader: Sendable {
    private var scanner = HTTPHeadScanner()

    package init() {}

    /// Reads (RFC 9112, 2 and 3).
    ///
    /// - Parameter bytes: everything received so far, from the first byte.
    /// - Returns: `nil` while the head is not whole.
    package mutating func read(_ bytes: Span<UInt8>) throws(PageRequest.Refusal) -> PageRequest? {
        let head: HTTPHead
        do throws(HTTPHead.Fault) {
            guard let end = try scanner.scan(bytes, maximum: PageRequest.maximumLength) else { return nil }
            head = try HTTPHead(
                HTTPHeadScanner.copy(bytes, length: end), maximumFields: PageRequest.maximumFields)
        } catch {
            throw error == .malformed ? .malformed : .tooLong
        }
        let words = head.start.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/") else { throw .malformed }
        guard words[0] == "GET" || words[0] == "HEAD" else { throw .method }
        return PageRequest(path: String(words[1].prefix { $0 != "?" && $0 != ";" }), isHead: words[0] == "HEAD")
    }
}
