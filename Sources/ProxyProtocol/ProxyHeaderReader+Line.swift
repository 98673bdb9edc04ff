// Version 1 of the PROXY protocol: one line of text.

import Wire

extension ProxyHeaderReader {
    /// `PROXY UNKNOWN` and the end of the line.
    static let shortestLine = 15
    /// The longest line, its end included.
    static let longestLine = 107

    /// Reads `PROXY TCP4|TCP6|UNKNOWN source destination port port`, whose first six bytes are right as far as there.
    func readLine(_ bytes: Span<UInt8>) throws(ProxyViolation) -> Outcome {
        let visible = min(bytes.count, Self.longestLine)
        guard let end = lineEnd(bytes, visible) else {
            // What is missing at least: the end of the line, or its second byte.
            let atLeast = bytes.count + (bytes[bytes.count - 1] == 0x0D ? 1 : 2)
            guard atLeast <= Self.longestLine else { throw .lineTooLong }
            return .needMore(atLeast: max(atLeast, Self.shortestLine))
        }
        var header = ProxyHeader(version: .v1, length: end + 2)
        var words = Words(offset: 6, end: end)
        let family = words.next(in: bytes)
        // Whatever a sender that does not know adds is passed over.
        if family == "UNKNOWN" { return .header(header) }
        guard let family, family == "TCP4" || family == "TCP6" else { throw .line }
        guard let source = words.next(in: bytes), let destination = words.next(in: bytes),
            let sourcePort = words.next(in: bytes), let destinationPort = words.next(in: bytes), words.isAtEnd
        else { throw .line }
        header.endpoints = .internet(
            source: SocketAddress(try address(source, family), port: try port(sourcePort)),
            destination: SocketAddress(try address(destination, family), port: try port(destinationPort)))
        return .header(header)
    }

    private func lineEnd(_ bytes: Span<UInt8>, _ visible: Int) -> Int? {
        guard visible >= 2 else { return nil }
        for index in 1..<visible where bytes[index] == 0x0A && bytes[index - 1] == 0x0D { return index - 1 }
        return nil
    }

    private func address(_ text: String, _ family: String) throws(ProxyViolation) -> IPAddress {
        if family == "TCP4" {
            guard let address = IPv4Address(text) else { throw .address }
            return .v4(address)
        }
        guard let address = IPv6Address(text) else { throw .address }
        return .v6(address)
    }

    private func port(_ text: String) throws(ProxyViolation) -> UInt16 {
        guard text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), text == "0" || !text.hasPrefix("0"), let port = UInt16(text)
        else { throw .port }
        return port
    }
}

/// Words with single spaces between them.
private struct Words {
    private var offset: Int
    private let end: Int
    /// A space stood behind the last word, so another must follow.
    private var isOpen = true

    init(offset: Int, end: Int) {
        self.offset = offset
        self.end = end
    }

    var isAtEnd: Bool { !isOpen }

    /// The next word; nil when there is none, or an empty one.
    mutating func next(in bytes: Span<UInt8>) -> String? {
        guard isOpen else { return nil }
        var word: [UInt8] = []
        while offset < end, bytes[offset] != 0x20 {
            word.append(bytes[offset])
            offset += 1
        }
        isOpen = offset < end
        offset += 1
        return word.isEmpty ? nil : String(decoding: word, as: UTF8.self)
    }
}
