// Reads a server's answer to our request for a WebSocket.

/// Reads one answer. Looks at each byte once, whatever the pieces; keeps no view of them.
package struct UpgradeResponseReader: Sendable {
    /// What the bytes are.
    package enum Outcome: Equatable, Sendable {
        /// The beginning of an answer.
        case needMore
        /// The server speaks WebSocket; its frames begin behind so many bytes.
        case accepted(length: Int)
    }

    /// Why the connection is no WebSocket.
    package enum Failure: Error, Hashable, Sendable {
        case malformed, tooLong, tooManyFields
        /// The server answered something else than 101.
        case status(Int)
        /// 101 without `Upgrade: websocket` and `Connection: Upgrade`.
        case notUpgraded
        /// An answer to another key than ours.
        case accept
        /// None of what we offered, or something else than it.
        case subprotocol
        /// An extension we did not offer.
        case `extension`
    }

    /// Longest answer, in bytes, and most fields in it.
    package static let maximumLength = 8192
    package static let maximumFields = 64

    private let answer: String
    private let subprotocol: Subprotocol
    private var scanner = HTTPHeadScanner()

    /// - Parameter offer: What was sent.
    package init(to offer: UpgradeOffer) {
        answer = HandshakeKey.answer(to: offer.key)
        subprotocol = offer.subprotocol
    }

    /// Reads (RFC 6455, 4.1, the client's list of what fails a connection).
    ///
    /// - Parameter bytes: Everything received so far, from the first byte; what was given before is still in it.
    package mutating func read(_ bytes: Span<UInt8>) throws(Failure) -> Outcome {
        let head: HTTPHead
        let length: Int
        do throws(HTTPHead.Fault) {
            guard let end = try scanner.scan(bytes, maximum: Self.maximumLength) else { return .needMore }
            length = end
            head = try HTTPHead(HTTPHeadScanner.copy(bytes, length: length), maximumFields: Self.maximumFields)
        } catch {
            switch error {
            case .malformed: throw .malformed
            case .tooLong: throw .tooLong
            case .tooManyFields: throw .tooManyFields
            }
        }
        let words = head.start.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0] == "HTTP/1.1", words[1].utf8.count == 3,
            words[1].utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let status = Int(words[1])
        else { throw .malformed }
        guard status == 101 else { throw .status(status) }
        guard head.contains("websocket", in: "upgrade"), head.contains("upgrade", in: "connection") else {
            throw .notUpgraded
        }
        guard head.values("sec-websocket-accept") == [answer] else { throw .accept }
        guard head.list("sec-websocket-protocol") == [subprotocol.rawValue] else { throw .subprotocol }
        guard head.list("sec-websocket-extensions").isEmpty else { throw .extension }
        return .accepted(length: length)
    }
}
