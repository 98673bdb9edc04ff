// Whole frames of ours: control frames, and what is sent in one piece.

/// Writes whole frames.
package enum Frame {
    /// A frame; masked when a client sends it, with a key that nobody can guess.
    package static func encode(
        _ opcode: Opcode, _ payload: [UInt8], isFinal: Bool = true, mask: UInt32? = nil
    ) -> [UInt8] {
        let header = FrameHeader(opcode, length: payload.count, isFinal: isFinal, mask: mask)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(header.count + payload.count)
        for index in 0..<header.count { bytes.append(header[index]) }
        bytes += payload
        if let mask {
            var laid = FrameMask(key: mask)
            var span = bytes.mutableSpan
            laid.apply(to: &span, header.count..<span.count)
        }
        return bytes
    }

    /// A close frame; a reason longer than 123 bytes is cut at a character.
    package static func close(_ code: CloseCode, reason: String = "", mask: UInt32? = nil) -> [UInt8] {
        precondition(code.isSendable, "a code that may not be sent")
        var payload = [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)]
        for character in reason.unicodeScalars {
            let encoded = Array(String(character).utf8)
            guard payload.count + encoded.count <= 125 else { break }
            payload += encoded
        }
        return encode(.close, payload, mask: mask)
    }

    /// The answer to a ping or a close, with what the peer sent in it (RFC 6455, 5.5.1 to 5.5.3).
    package static func answer(to control: ControlFrame, mask: UInt32? = nil) -> [UInt8] {
        switch control.opcode {
        // A close is answered with its code alone.
        case .close: encode(.close, Array(control.payload.prefix(2)), mask: mask)
        default: encode(.pong, control.payload, mask: mask)
        }
    }
}
