// Reads the first packet a server sends.

extension Connack {
    /// What a server's first bytes are.
    package enum Outcome: Equatable, Sendable {
        /// Nothing new can be said before this many bytes of the stream are there.
        case needMore(atLeast: Int)
        /// A CONNACK in the first `length` bytes; what follows it belongs to the session and is not looked at.
        case connack(Connack, length: Int)
        /// The server wants to talk about authentication first (MQTT 5.0, 4.12): its packets belong to the client, and
        /// from here on the CONNECT cannot be sent elsewhere.
        case authentication
    }

    /// The longest CONNACK read by default, in bytes with its fixed header.
    package static let defaultMaximumLength = 65_536

    /// Reads the stream `received` of a server, from its first byte, as the answer to a CONNECT of `version`.
    ///
    /// Only this packet's own remaining length counts: what the server sent right behind it never changes the result.
    /// A server may refuse a CONNECT of 5.0 in the form of 3.x (MQTT 5.0, 3.1.2.2): read as the refusal it is.
    /// - Throws: ``Violation``; the server does not speak MQTT, or not well.
    package static func read(
        _ received: Span<UInt8>, version: ProtocolVersion, maximumLength: Int = defaultMaximumLength
    ) throws(Violation) -> Outcome {
        guard received.count >= 1 else { return .needMore(atLeast: 1) }
        guard let type = PacketType(firstByte: received[0]) else { throw .notMQTT }
        if type == .auth, version == .v5 { return .authentication }
        guard type == .connack else { throw .unexpectedPacket }
        guard let header = try FixedHeader.read(received) else { return .needMore(atLeast: received.count + 1) }
        guard header.packetLength <= maximumLength else { throw .packetTooLarge }
        if version == .v5, !header.isMinimal { throw .remainingLength }
        guard header.remainingLength >= 2 else { throw .truncated }
        guard version == .v5 || header.remainingLength == 2 else { throw .trailingBytes }
        guard received.count >= header.packetLength else { return .needMore(atLeast: header.packetLength) }
        let connack = try Connack(received, header, version)
        return .connack(connack, length: connack.length)
    }

    /// Reads a whole CONNACK; its remaining length is at least 2, in 3.x exactly that.
    private init(_ bytes: Span<UInt8>, _ header: FixedHeader, _ version: ProtocolVersion) throws(Violation) {
        // Strings in a server's answer are the client's to judge: only their form is checked.
        let text = UTF8Rule(allowsControls: true)
        let body = ByteRange(offset: header.length, count: header.remainingLength)
        var fields = FieldReader(bytes, body, text: text)
        let flags = try fields.u8()
        // MQTT 3.1, 3.2: the byte is reserved and "not used".
        if version != .v31, flags & 0xFE != 0 { throw .reservedBits }
        let code = try fields.u8()
        let isOldForm = version != .v5 || header.remainingLength == 2
        guard let reason = isOldForm ? ReasonCode(returnCode: code) : ReasonCode(rawValue: code),
            reason == .success || reason.isFailure
        else { throw .reasonCode }
        // An acceptance in the old form answers nothing that a client of 5.0 could read.
        if version == .v5, isOldForm, !reason.isFailure { throw .truncated }
        self.init(
            length: header.packetLength, code: code, reason: reason,
            sessionPresent: version != .v31 && flags & 1 != 0)
        if isOldForm { return }
        properties = try fields.propertyBlock()
        guard fields.isAtEnd else { throw .trailingBytes }
        try readProperties(bytes, text)
    }

    private mutating func readProperties(_ bytes: Span<UInt8>, _ text: UTF8Rule) throws(Violation) {
        var walk = PropertyWalk(bytes, properties, in: .connack, text: text)
        while let item = try walk.next() {
            switch item.property {
            case .serverKeepAlive: serverKeepAlive = UInt16(item.number)
            case .assignedClientIdentifier: assignedClientIdentifier = item.range
            case .serverReference: serverReference = item.range
            case .reasonString: reasonString = item.range
            case .sessionExpiryInterval: sessionExpiry = item.number
            case .maximumPacketSize: maximumPacketSize = item.number
            default: break
            }
        }
    }
}
