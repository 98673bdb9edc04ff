// A DISCONNECT, in either direction.

/// A DISCONNECT (MQTT 3.1.1, 3.14; MQTT 5.0, 3.14). A server may send one in 5.0 only, after its CONNACK, and between
/// two packets (``PacketBoundary``).
package struct Disconnect: Equatable, Sendable {
    /// ``ReasonCode/success`` is the normal end; in 3.x nothing else can be said.
    package var reason: ReasonCode
    /// Written in 5.0 only.
    package var properties: Properties

    package init(_ reason: ReasonCode = .success, properties: Properties = Properties()) {
        self.reason = reason
        self.properties = properties
    }

    /// The packet.
    ///
    /// - Throws: ``Oversize`` when the properties are longer than a packet can be.
    package func encode(version: ProtocolVersion) throws(Oversize) -> [UInt8] {
        var body: [UInt8] = []
        // MQTT 5.0, 3.14.2.1: without both, the reason is 0x00.
        if version == .v5, reason != .success || !properties.isEmpty {
            body.append(reason.rawValue)
            try properties.write(to: &body)
        }
        return try FixedHeader.packet(PacketType.disconnect.firstByte, body)
    }
}
