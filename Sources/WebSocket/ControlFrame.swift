// A close, ping or pong of the peer.

/// A whole control frame, unmasked. Plain data.
package struct ControlFrame: Sendable, BitwiseCopyable {
    /// Most bytes in a control frame.
    package static let capacity = 125

    package let opcode: Opcode
    private var bytes = InlineArray<125, UInt8>(repeating: 0)
    package private(set) var count = 0

    init(_ opcode: Opcode) { self.opcode = opcode }

    mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    package var payload: [UInt8] { (0..<count).map { bytes[$0] } }

    /// Why the peer closes; nil in other frames, and when it does not say.
    package var closeCode: CloseCode? {
        guard opcode == .close, count >= 2 else { return nil }
        return CloseCode(rawValue: UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
    }

    /// The reason in a close frame, as text.
    package var closeReason: String { opcode == .close ? String(decoding: payload.dropFirst(2), as: UTF8.self) : "" }

    /// The rule a close frame breaks (RFC 6455, 5.5.1 and 7.4; the reason is UTF-8).
    var closeViolation: FrameViolation? {
        if count == 0 { return nil }
        guard let closeCode else { return .closePayload }
        guard closeCode.isSendable else { return .closeCode }
        return String(validating: payload.dropFirst(2), as: UTF8.self) == nil ? .closeReason : nil
    }
}
