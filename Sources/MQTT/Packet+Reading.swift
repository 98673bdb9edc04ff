// Reads packets one after another from a stream.

extension Packet {
    /// What the bytes at the beginning of a stream's rest are.
    package enum Outcome: Equatable, Sendable {
        /// Nothing new can be said before this many bytes are there.
        case needMore(atLeast: Int)
        /// A packet in the first `length` bytes.
        case packet(Packet, length: Int)
    }

    /// The longest packet read by default, in bytes with its fixed header.
    package static let defaultMaximumLength = 1 << 20

    /// Reads the packet at the beginning of `received`, as the session of `version` understands it; a CONNECT is read
    /// in its own version.
    ///
    /// - Throws: ``Violation``; nothing more can be read from this stream.
    package static func read(
        _ received: Span<UInt8>, version: ProtocolVersion, maximumLength: Int = defaultMaximumLength
    ) throws(Violation) -> Outcome {
        guard received.count >= 1 else { return .needMore(atLeast: 1) }
        if received[0] >> 4 == PacketType.connect.rawValue { return try readConnect(received, maximumLength) }
        guard let type = PacketType(firstByte: received[0]) else { throw .fixedHeaderFlags }
        if type == .connack { return try readConnack(received, version, maximumLength) }
        guard let header = try FixedHeader.read(received) else { return .needMore(atLeast: received.count + 1) }
        guard header.packetLength <= maximumLength else { throw .packetTooLarge }
        if version == .v5, !header.isMinimal { throw .remainingLength }
        guard received.count >= header.packetLength else { return .needMore(atLeast: header.packetLength) }
        return .packet(try Packet(type, received, header, version), length: header.packetLength)
    }

    private static func readConnect(_ received: Span<UInt8>, _ maximumLength: Int) throws(Violation) -> Outcome {
        let outcome: ConnectSniffer.Outcome
        do {
            outcome = try ConnectSniffer(policy: ConnectPolicy(maximumLength: maximumLength)).sniff(received)
        } catch { throw error.violation }
        return switch outcome {
        case .needMore(let atLeast): .needMore(atLeast: atLeast)
        case .connect(let connect, let length): .packet(.connect(ConnectDraft(connect, in: received)), length: length)
        }
    }

    private static func readConnack(
        _ received: Span<UInt8>, _ version: ProtocolVersion, _ maximumLength: Int
    ) throws(Violation) -> Outcome {
        switch try Connack.read(received, version: version, maximumLength: maximumLength) {
        case .needMore(let atLeast): .needMore(atLeast: atLeast)
        case .connack(let connack, let length): .packet(.connack(ConnackDraft(connack, in: received)), length: length)
        case .authentication: throw .unexpectedPacket
        }
    }

    /// Reads a whole packet of a type that has no reader of its own stream.
    private init(
        _ type: PacketType, _ bytes: Span<UInt8>, _ header: FixedHeader, _ version: ProtocolVersion
    ) throws(Violation) {
        let text = UTF8Rule()
        let body = ByteRange(offset: header.length, count: header.remainingLength)
        var fields = FieldReader(bytes, body, text: text)
        switch type {
        case .publish: self = .publish(try Publish(&fields, bytes, header, version, text: text))
        case .puback: self = .puback(try Puback(&fields, bytes, version, text: text))
        case .subscribe: self = .subscribe(try Subscribe(&fields, bytes, version, text: text))
        case .suback: self = .suback(try Suback(&fields, bytes, version, text: text))
        case .pingreq: self = .pingreq
        case .pingresp: self = .pingresp
        case .disconnect:
            let (reason, properties) = try fields.ending(bytes, in: .disconnect, version, text: text)
            self = .disconnect(Disconnect(reason, properties: properties))
        default: throw .unexpectedPacket
        }
        guard fields.isAtEnd else { throw .trailingBytes }
    }
}

extension Properties {
    /// Reads and checks the properties of a packet; there are none in 3.x.
    init(
        _ fields: inout FieldReader, _ bytes: Span<UInt8>, in place: Property.Place, _ version: ProtocolVersion,
        text: UTF8Rule
    ) throws(Violation) {
        guard version == .v5 else {
            self.init()
            return
        }
        let block = try fields.propertyBlock()
        var walk = PropertyWalk(bytes, block, in: place, text: text)
        try walk.finish()
        self.init(encoded: block.bytes(in: bytes))
    }
}

extension FieldReader {
    /// The reason code and properties at the end of PUBACK and DISCONNECT; either may be left out, and 3.x has none
    /// (MQTT 5.0, 3.4.2.1 and 3.14.2.1).
    mutating func ending(
        _ bytes: Span<UInt8>, in place: Property.Place, _ version: ProtocolVersion, text: UTF8Rule
    ) throws(Violation) -> (ReasonCode, Properties) {
        guard version == .v5, !isAtEnd else { return (.success, Properties()) }
        let reason = ReasonCode(rawValue: try u8())
        guard !isAtEnd else { return (reason, Properties()) }
        return (reason, try Properties(&self, bytes, in: place, version, text: text))
    }
}
