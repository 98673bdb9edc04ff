// Why a connection's first bytes were refused, and what its client is told.

/// The refusal of a connection by its first bytes: which rule, and what was known of the client by then.
package struct Refusal: Error, Equatable, Sendable, BitwiseCopyable {
    /// The rule that was broken.
    package let violation: Violation
    /// The client's version, when the bytes had told it.
    package var version: ProtocolVersion?
    /// The protocol level as it was sent, when the name before it was right.
    package var level: UInt8?
    /// The packet that came instead of CONNECT (``Violation/firstPacketNotConnect``).
    package var packet: PacketType?

    package init(
        _ violation: Violation, version: ProtocolVersion? = nil, level: UInt8? = nil, packet: PacketType? = nil
    ) {
        self.violation = violation
        self.version = version
        self.level = level
        self.packet = packet
    }

    /// The CONNACK this client is owed, ready to send; nil: close without a word.
    ///
    /// In 3.x there is a return code only for versions and client identifiers; a malformed packet is closed silently
    /// (MQTT 3.1.1, 4.8). In 5.0 every violation has a reason code (4.13). A level above 5 is answered in the form
    /// of 5.0, other unknown ones in that of 3.1.1 (MQTT 5.0, 3.1.2.2).
    package var connack: [UInt8]? {
        guard let code = violation.reasonCode else { return nil }
        if let version {
            return version == .v5 || violation.hasReturnCode ? Connack.refusal(code, version: version) : nil
        }
        guard violation == .protocolVersion, let level else { return nil }
        return Connack.refusal(code, version: level & 0x7F > 5 ? .v5 : .v311)
    }
}
