// A SUBACK.

import Wire

/// A SUBACK (MQTT 3.1.1, 3.9; MQTT 5.0, 3.9).
package struct Suback: Equatable, Sendable {
    /// Of the SUBSCRIBE it answers; not 0.
    package var identifier: UInt16
    /// One for each filter, at least one: the granted QoS (0 to 2), or a failure. The same bytes in all versions.
    package var codes: [ReasonCode]
    /// Written in 5.0 only.
    package var properties: Properties

    package init(identifier: UInt16, codes: [ReasonCode], properties: Properties = Properties()) {
        precondition(identifier != 0 && !codes.isEmpty, "SUBACK needs an identifier and a code")
        self.identifier = identifier
        self.codes = codes
        self.properties = properties
    }

    /// The packet.
    ///
    /// - Throws: ``Oversize`` when the packet is too long.
    package func encode(version: ProtocolVersion) throws(Oversize) -> [UInt8] {
        var body: [UInt8] = []
        body.append(bigEndian: identifier)
        if version == .v5 { try properties.write(to: &body) }
        for code in codes { body.append(code.rawValue) }
        return try FixedHeader.packet(PacketType.suback.firstByte, body)
    }

    /// Reads the fields behind the fixed header.
    init(
        _ fields: inout FieldReader, _ bytes: Span<UInt8>, _ version: ProtocolVersion, text: UTF8Rule
    ) throws(Violation) {
        let identifier = try fields.packetIdentifier()
        let properties = try Properties(&fields, bytes, in: .suback, version, text: text)
        let codes = try fields.takeRest().bytes(in: bytes).map { ReasonCode(rawValue: $0) }
        guard !codes.isEmpty else { throw .emptySubscription }
        // MQTT 3.1.1, 3.9.3: a QoS or 0x80; 5.0 has more failures.
        guard codes.allSatisfy({ $0.rawValue <= 2 || (version == .v5 ? $0.isFailure : $0.rawValue == 0x80) }) else {
            throw .reasonCode
        }
        self.init(identifier: identifier, codes: codes, properties: properties)
    }
}
