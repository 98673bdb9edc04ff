// A CONNACK as owned values, to be written.

/// A CONNACK to be sent.
package struct ConnackDraft: Equatable, Sendable {
    package var sessionPresent = false
    /// In 3.x written as the return code that says the same, so that several reasons become one.
    package var reason: ReasonCode
    /// Written in 5.0 only.
    package var properties = Properties()

    package init(
        _ reason: ReasonCode = .success, sessionPresent: Bool = false, properties: Properties = Properties()
    ) {
        self.reason = reason
        self.sessionPresent = sessionPresent
        self.properties = properties
    }

    /// The fields of `connack` copied out of the `packet` it was read from.
    package init(_ connack: Connack, in packet: Span<UInt8>) {
        reason = connack.reason
        sessionPresent = connack.sessionPresent
        properties = Properties(encoded: connack.properties.bytes(in: packet))
    }

    /// The packet (MQTT 3.1.1, 3.2; MQTT 5.0, 3.2).
    ///
    /// - Throws: ``Oversize`` when the properties are longer than a packet can be.
    package func encode(version: ProtocolVersion) throws(Oversize) -> [UInt8] {
        var body: [UInt8] = [sessionPresent && version != .v31 ? 1 : 0]
        body.append(version == .v5 ? reason.rawValue : reason.returnCode)
        if version == .v5 { try properties.write(to: &body) }
        return try FixedHeader.packet(PacketType.connack.firstByte, body)
    }
}

extension Connack {
    /// A CONNACK that refuses, in the client's version; to be sent only when no byte of a server reached the client.
    ///
    /// - Parameters:
    ///   - reason: In 3.x written as ``ReasonCode/returnCode``.
    ///   - text: A reason string for 5.0; left out when it would make the packet longer than the client takes.
    ///   - serverReference: `host[:port]` for 5.0; left out likewise.
    ///   - maximumPacketSize: The client's Maximum Packet Size, in bytes (MQTT 5.0, 3.1.2.11.4).
    package static func refusal(
        _ reason: ReasonCode, version: ProtocolVersion, text: String? = nil, serverReference: String? = nil,
        maximumPacketSize: UInt32? = nil
    ) -> [UInt8] {
        let limit = Int(maximumPacketSize ?? .max)
        var best = version == .v5 ? [0x20, 3, 0, reason.rawValue, 0] : [0x20, 2, 0, reason.returnCode]
        guard version == .v5 else { return best }
        var draft = ConnackDraft(reason)
        // The reference first: a client can act on it.
        for (property, value) in [(Property.serverReference, serverReference), (.reasonString, text)] {
            guard let value else { continue }
            do {
                var longer = draft
                try longer.properties.append(property, Array(value.utf8))
                let packet = try longer.encode(version: .v5)
                guard packet.count <= limit else { continue }
                (draft, best) = (longer, packet)
            } catch {
                // Longer than any field can be: longer than any client takes.
                continue
            }
        }
        return best
    }
}
