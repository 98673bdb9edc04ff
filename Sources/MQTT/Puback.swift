// A PUBACK.

import Wire

/// A PUBACK (MQTT 3.1.1, 3.4; MQTT 5.0, 3.4).
package struct Puback: Equatable, Sendable {
    /// Of the PUBLISH it answers; not 0.
    package var identifier: UInt16
    /// Written in 5.0 only, where a failure may be told.
    package var reason: ReasonCode
    /// Written in 5.0 only.
    package var properties: Properties

    package init(identifier: UInt16, reason: ReasonCode = .success, properties: Properties = Properties()) {
        precondition(identifier != 0, "PUBACK needs an identifier")
        self.identifier = identifier
        self.reason = reason
        self.properties = properties
    }

    /// The packet.
    ///
    /// - Throws: ``Oversize`` when the properties are longer than a packet can be.
    package func encode(version: ProtocolVersion) throws(Oversize) -> [UInt8] {
        var body: [UInt8] = []
        body.append(bigEndian: identifier)
        // MQTT 5.0, 3.4.2.1: without both, the reason is 0x00.
        if version == .v5, reason != .success || !properties.isEmpty {
            body.append(reason.rawValue)
            try properties.write(to: &body)
        }
        return try FixedHeader.packet(PacketType.puback.firstByte, body)
    }

    /// Reads the fields behind the fixed header.
    init(
        _ fields: inout FieldReader, _ bytes: Span<UInt8>, _ version: ProtocolVersion, text: UTF8Rule
    ) throws(Violation) {
        let identifier = try fields.packetIdentifier()
        let (reason, properties) = try fields.ending(bytes, in: .puback, version, text: text)
        self.init(identifier: identifier, reason: reason, properties: properties)
    }
}
