// Every rule of WebSocket frames that a peer can break.

/// The rule that a frame broke; the connection ends with ``closeCode``.
///
/// Counters are arrays indexed by `rawValue`; ``name`` is stable.
package enum FrameViolation: Int, Error, CaseIterable, Sendable, BitwiseCopyable {
    case reservedBits, opcode, textFrame, controlFragmented, controlTooLong, notMasked, masked
    case lengthNotMinimal, lengthTooLarge, frameTooLarge, continuationWithoutStart, startWithinMessage
    case closePayload, closeCode, closeReason

    /// The stable name: `text-frame`.
    package var name: String { row.0 }

    /// What our close frame says.
    package var closeCode: CloseCode { row.1 }

    /// The rule in a few words.
    package var rule: String { row.2 }

    private var row: (String, CloseCode, String) {
        switch self {
        case .reservedBits: ("reserved-bits", .protocolError, "a reserved bit is set; no extension was agreed on")
        case .opcode: ("opcode", .protocolError, "an opcode that does not exist")
        case .textFrame: ("text-frame", .unsupportedData, "a text frame; MQTT is binary (MQTT 5.0, [MQTT-6.0.0-1])")
        case .controlFragmented: ("control-fragmented", .protocolError, "a control frame in fragments")
        case .controlTooLong: ("control-too-long", .protocolError, "a control frame of more than 125 bytes")
        case .notMasked: ("not-masked", .protocolError, "a client's frame without a mask")
        case .masked: ("masked", .protocolError, "a server's frame with a mask")
        case .lengthNotMinimal: ("length-not-minimal", .protocolError, "a length in more bytes than it needs")
        case .lengthTooLarge: ("length-too-large", .protocolError, "a length with its highest bit set")
        case .frameTooLarge: ("frame-too-large", .messageTooBig, "a frame longer than this listener accepts")
        case .continuationWithoutStart:
            ("continuation-without-start", .protocolError, "a continuation of a message that was not begun")
        case .startWithinMessage: ("start-within-message", .protocolError, "a new message within a fragmented one")
        case .closePayload: ("close-payload", .protocolError, "a close frame with one byte")
        case .closeCode: ("close-code", .protocolError, "a close code that may not be sent")
        case .closeReason: ("close-reason", .invalidPayload, "a reason for closing that is not UTF-8")
        }
    }
}
