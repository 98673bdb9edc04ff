// Finds the end of an HTTP head in bytes that come in pieces, looking at each byte once.

/// Looks for the empty line. Plain data; it is given all bytes received so far, again with every piece.
struct HTTPHeadScanner: Sendable, BitwiseCopyable {
    /// Bytes already looked at.
    private var scanned = 0
    /// Of CR LF CR LF, how many the last bytes looked at are.
    private var matched = 0

    /// The length of the head with its empty line; nil: it is not complete.
    ///
    /// - Throws: ``HTTPHead/Fault/tooLong`` at `maximum` bytes without an end; ``HTTPHead/Fault/malformed`` at the first
    ///   byte that stands in no head: a control character, a line feed or carriage return by itself, and what the first
    ///   line cannot begin with.
    mutating func scan(_ bytes: Span<UInt8>, maximum: Int) throws(HTTPHead.Fault) -> Int? {
        while scanned < bytes.count {
            guard scanned < maximum else { throw .tooLong }
            let byte = bytes[scanned]
            if scanned == 0 {
                // Every method and `HTTP` begin with a letter; TLS and MQTT do not.
                guard 0x41...0x5A ~= byte || 0x61...0x7A ~= byte else { throw .malformed }
            }
            scanned += 1
            switch byte {
            case 0x0D:
                guard matched == 0 || matched == 2 else { throw .malformed }
                matched += 1
            case 0x0A:
                guard matched == 1 || matched == 3 else { throw .malformed }
                matched += 1
                if matched == 4 { return scanned }
            default:
                guard matched == 0 || matched == 2, byte == 0x09 || byte >= 0x20, byte != 0x7F else {
                    throw .malformed
                }
                matched = 0
            }
        }
        guard scanned < maximum else { throw .tooLong }
        return nil
    }

    /// The head's bytes without the two line ends behind it.
    static func copy(_ bytes: Span<UInt8>, length: Int) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(length)
        for index in 0..<(length - 4) { copy.append(bytes[index]) }
        return copy
    }
}
