// A CONNECT as owned values: to be written, or altered and written again.

import Wire

/// A CONNECT to be sent: by a check, by a client of ours, or as the altered copy of a device's.
///
/// A draft copied from a ``Connect`` and encoded unaltered gives the same bytes again (when the original wrote its
/// remaining length in the shortest form), for every version, flag, will and property.
package struct ConnectDraft: Equatable, Sendable {
    /// A will; its properties are written in 5.0 only.
    package struct Will: Equatable, Sendable {
        /// 0 to 2.
        package var qos: UInt8
        package var isRetained: Bool
        package var topic: [UInt8]
        package var payload: [UInt8]
        package var properties: Properties

        package init(
            topic: [UInt8], payload: [UInt8], qos: UInt8 = 0, isRetained: Bool = false,
            properties: Properties = Properties()
        ) {
            precondition(qos <= 2, "a will's QoS is 0, 1 or 2")
            self.qos = qos
            self.isRetained = isRetained
            self.topic = topic
            self.payload = payload
            self.properties = properties
        }
    }

    package var version: ProtocolVersion
    package var isBridge = false
    package var isCleanStart = true
    /// Seconds; 0: no keep-alive.
    package var keepAlive: UInt16
    /// Written in 5.0 only.
    package var properties = Properties()
    package var clientID: [UInt8]
    package var will: Will?
    package var username: [UInt8]?
    package var password: [UInt8]?
    /// What 3.1 leaves undefined and a copy keeps: the low four bits of the first byte.
    private var headerFlags: UInt8 = 0
    /// What 3.1 leaves undefined and a copy keeps: flags that announce nothing.
    private var looseFlags: UInt8 = 0

    /// A CONNECT with clean start and nothing but a client identifier.
    package init(version: ProtocolVersion, clientID: [UInt8], keepAlive: UInt16 = 60) {
        self.version = version
        self.clientID = clientID
        self.keepAlive = keepAlive
    }

    /// The fields of `connect` copied out of the `packet` it was read from.
    package init(_ connect: Connect, in packet: Span<UInt8>) {
        version = connect.version
        isBridge = connect.isBridge
        isCleanStart = connect.isCleanStart
        keepAlive = connect.keepAlive
        properties = Properties(encoded: connect.properties.bytes(in: packet))
        clientID = connect.clientID.bytes(in: packet)
        if let will = connect.will {
            self.will = Will(
                topic: will.topic.bytes(in: packet), payload: will.payload.bytes(in: packet), qos: will.qos,
                isRetained: will.isRetained, properties: Properties(encoded: will.properties.bytes(in: packet)))
        }
        username = connect.username?.bytes(in: packet)
        password = connect.password?.bytes(in: packet)
        headerFlags = connect.firstByte & 0x0F
        looseFlags = connect.flags & ~flags
    }

    /// Drops what 3.1 announced and did not send, so that these flags follow the fields again.
    mutating func forget(flags: UInt8) { looseFlags &= ~flags }

    /// The packet.
    ///
    /// - Throws: ``Oversize`` when a field is longer than 65,535 bytes, or the packet than 268,435,455.
    package func encode() throws(Oversize) -> [UInt8] {
        var body: [UInt8] = []
        try body.append(field: Array(version.protocolName.utf8))
        body.append(version.rawValue | (isBridge ? ConnectFlags.bridgeLevel : 0))
        body.append(flags | looseFlags)
        body.append(bigEndian: keepAlive)
        if version == .v5 { try properties.write(to: &body) }
        try body.append(field: clientID)
        if let will {
            if version == .v5 { try will.properties.write(to: &body) }
            try body.append(field: will.topic)
            try body.append(field: will.payload)
        }
        if let username { try body.append(field: username) }
        if let password { try body.append(field: password) }
        return try FixedHeader.packet(PacketType.connect.firstByte | headerFlags, body)
    }

    /// The connect flags (MQTT 5.0, 3.1.2.3).
    private var flags: UInt8 {
        var flags: UInt8 = isCleanStart ? ConnectFlags.cleanStart : 0
        if let will {
            flags |= ConnectFlags.will | will.qos << 3
            if will.isRetained { flags |= ConnectFlags.willRetain }
        }
        if username != nil { flags |= ConnectFlags.username }
        if password != nil { flags |= ConnectFlags.password }
        return flags
    }
}
