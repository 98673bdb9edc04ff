// A SUBSCRIBE.

import Wire

/// A SUBSCRIBE (MQTT 3.1.1, 3.8; MQTT 5.0, 3.8).
package struct Subscribe: Equatable, Sendable {
    /// One topic filter and what is asked for it.
    package struct Filter: Equatable, Sendable {
        package var topic: [UInt8]
        /// The subscription options as they are written; in 3.x just the QoS, 0 to 2 (MQTT 5.0, 3.8.3.1).
        package var options: UInt8

        package init(_ topic: [UInt8], qos: UInt8) {
            self.topic = topic
            options = qos
        }
    }

    /// Not 0.
    package var identifier: UInt16
    /// At least one.
    package var filters: [Filter]
    /// Written in 5.0 only.
    package var properties: Properties

    package init(identifier: UInt16, filters: [Filter], properties: Properties = Properties()) {
        precondition(identifier != 0 && !filters.isEmpty, "SUBSCRIBE needs an identifier and a filter")
        self.identifier = identifier
        self.filters = filters
        self.properties = properties
    }

    /// The packet.
    ///
    /// - Throws: ``Oversize`` when a filter or the packet is too long.
    package func encode(version: ProtocolVersion) throws(Oversize) -> [UInt8] {
        var body: [UInt8] = []
        body.append(bigEndian: identifier)
        if version == .v5 { try properties.write(to: &body) }
        for filter in filters {
            try body.append(field: filter.topic)
            body.append(filter.options)
        }
        return try FixedHeader.packet(PacketType.subscribe.firstByte, body)
    }

    /// Reads the fields behind the fixed header.
    init(
        _ fields: inout FieldReader, _ bytes: Span<UInt8>, _ version: ProtocolVersion, text: UTF8Rule
    ) throws(Violation) {
        let identifier = try fields.packetIdentifier()
        let properties = try Properties(&fields, bytes, in: .subscribe, version, text: text)
        // MQTT 5.0, 3.8.3.1: QoS 0 to 2, retain handling 0 to 2, bits 6 and 7 reserved; 3.x has the QoS alone.
        let reserved: UInt8 = version == .v5 ? 0xC0 : 0xFC
        var filters: [Filter] = []
        repeat {
            guard !fields.isAtEnd else { throw .emptySubscription }
            let topic = try fields.string()
            guard !topic.isEmpty else { throw .topic }
            var filter = Filter(topic.bytes(in: bytes), qos: 0)
            filter.options = try fields.u8()
            guard filter.options & reserved == 0, filter.options & 0x03 != 0x03, filter.options & 0x30 != 0x30 else {
                throw .reservedBits
            }
            filters.append(filter)
        } while !fields.isAtEnd
        self.init(identifier: identifier, filters: filters, properties: properties)
    }
}
