// The fixed header every control packet begins with.

/// A packet's first byte and its remaining length (MQTT 5.0, 2.1).
package struct FixedHeader: Equatable, Sendable, BitwiseCopyable {
    /// Type in the high, flags in the low four bits; not validated.
    package let firstByte: UInt8
    /// The bytes that follow the fixed header, 0 to 268,435,455.
    package let remainingLength: Int
    /// The bytes of the fixed header itself, 2 to 5.
    package let length: Int
    /// Whether the remaining length was written in as few bytes as possible; MQTT 5.0 requires it.
    package let isMinimal: Bool

    /// The bytes of the whole packet.
    package var packetLength: Int { length + remainingLength }

    /// Reads the header at the beginning of `bytes`; nil when more bytes are needed.
    ///
    /// - Throws: ``Violation/remainingLength`` when a fifth length byte would be needed.
    package static func read(_ bytes: Span<UInt8>) throws(Violation) -> FixedHeader? {
        guard bytes.count >= 2 else { return nil }
        switch VariableByteInteger.read(bytes, at: 1) {
        case .needMore: return nil
        case .malformed: throw .remainingLength
        case .value(let value, let length, let isMinimal):
            return FixedHeader(
                firstByte: bytes[0], remainingLength: value, length: 1 + length, isMinimal: isMinimal)
        }
    }

    /// A whole packet: `firstByte`, the length of `body`, `body`.
    ///
    /// - Throws: ``Oversize`` when the body is longer than a remaining length can say.
    package static func packet(_ firstByte: UInt8, _ body: [UInt8]) throws(Oversize) -> [UInt8] {
        guard body.count <= VariableByteInteger.maximum else { throw Oversize() }
        var packet: [UInt8] = []
        packet.reserveCapacity(body.count + 5)
        packet.append(firstByte)
        VariableByteInteger.append(body.count, to: &packet)
        packet += body
        return packet
    }
}
