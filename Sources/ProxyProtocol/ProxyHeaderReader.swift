// Reads a PROXY header from the first bytes of a connection, however they are cut.

/// Reads a header, given all bytes that have come so far.
///
/// Lengths are judged before the bytes they promise are waited for, and what cannot become a header any more is refused
/// at the first byte that says so. It never asks for a byte beyond the header.
package struct ProxyHeaderReader: Sendable {
    /// What the bytes are.
    package enum Outcome: Equatable, Sendable {
        /// The beginning of a header; nothing can be said before there are so many bytes.
        case needMore(atLeast: Int)
        /// A header; the client's bytes begin at its ``ProxyHeader/length``.
        case header(ProxyHeader)
    }

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let word = Array("PROXY ".utf8)

    package let policy: ProxyPolicy

    package init(policy: ProxyPolicy = ProxyPolicy()) { self.policy = policy }

    /// Reads.
    ///
    /// - Parameter bytes: Everything received so far, from the first byte.
    /// - Throws: The first rule broken.
    package func read(_ bytes: Span<UInt8>) throws(ProxyViolation) -> Outcome {
        guard !bytes.isEmpty else { return .needMore(atLeast: Self.shortestLine) }
        if bytes[0] == Self.word[0] {
            try expect(Self.word, bytes)
            guard policy.versions.contains(.v1) else { throw .versionNotAccepted }
            return try readLine(bytes)
        }
        try expect(Self.signature, bytes)
        guard policy.versions.contains(.v2) else { throw .versionNotAccepted }
        return try readBinary(bytes)
    }

    private func expect(_ prefix: [UInt8], _ bytes: Span<UInt8>) throws(ProxyViolation) {
        for index in 0..<min(prefix.count, bytes.count) where bytes[index] != prefix[index] { throw .notProxy }
    }
}
