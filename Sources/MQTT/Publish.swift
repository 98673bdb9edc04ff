// A PUBLISH.

import Wire

/// A PUBLISH (MQTT 3.1.1, 3.3; MQTT 5.0, 3.3).
package struct Publish: Equatable, Sendable {
    /// The topic name; may be empty in 5.0 when a topic alias stands for it.
    package var topic: [UInt8]
    package var payload: [UInt8]
    /// 0 to 2.
    package var qos: UInt8
    package var isRetained: Bool
    package var isDuplicate: Bool
    /// Not 0 with QoS 1 and 2; 0 with QoS 0, which has none.
    package var identifier: UInt16
    /// Written in 5.0 only.
    package var properties: Properties

    package init(
        topic: [UInt8], payload: [UInt8], qos: UInt8 = 0, identifier: UInt16 = 0, isRetained: Bool = false,
        isDuplicate: Bool = false, properties: Properties = Properties()
    ) {
        precondition(qos <= 2 && (qos == 0) == (identifier == 0), "QoS and packet identifier must agree")
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.identifier = identifier
        self.isRetained = isRetained
        self.isDuplicate = isDuplicate && qos > 0
        self.properties = properties
    }

    /// The packet.
    ///
    /// - Throws: ``Oversize`` when the topic or the packet is too long.
    package func encode(version: ProtocolVersion) throws(Oversize) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(topic.count + payload.count + properties.bytes.count + 8)
        try body.append(field: topic)
        if qos > 0 { body.append(bigEndian: identifier) }
        if version == .v5 { try properties.write(to: &body) }
        body += payload
        let flags = (isDuplicate ? 8 : 0) | qos << 1 | (isRetained ? 1 : 0)
        return try FixedHeader.packet(PacketType.publish.firstByte | flags, body)
    }

    /// Reads the fields behind the fixed header.
    init(
        _ fields: inout FieldReader, _ bytes: Span<UInt8>, _ header: FixedHeader, _ version: ProtocolVersion,
        text: UTF8Rule
    ) throws(Violation) {
        let qos = header.firstByte >> 1 & 3
        let name = version == .v5 ? try fields.string() : try fields.topicName(else: .topic)
        let identifier = qos > 0 ? try fields.packetIdentifier() : 0
        var properties = Properties()
        var hasAlias = false
        if version == .v5 {
            let block = try fields.propertyBlock()
            var walk = PropertyWalk(bytes, block, in: .publish, text: text)
            while let item = try walk.next() { hasAlias = hasAlias || item.property == .topicAlias }
            properties = Properties(encoded: block.bytes(in: bytes))
        }
        // MQTT 5.0, 3.3.2.1: no wildcards, and empty only with an alias.
        guard UTF8Rule.isTopicName(bytes, name) || (name.isEmpty && hasAlias) else { throw .topic }
        self.init(
            topic: name.bytes(in: bytes), payload: try fields.takeRest().bytes(in: bytes), qos: qos,
            identifier: identifier, isRetained: header.firstByte & 1 != 0, isDuplicate: header.firstByte & 8 != 0,
            properties: properties)
    }
}
