// Reads the fields of a whole CONNECT.

extension Connect {
    /// Reads the CONNECT with `header` and `preamble` from its bytes, all of which are there.
    ///
    /// - Throws: The first rule broken, in the order of the fields.
    init(
        _ bytes: Span<UInt8>, _ header: FixedHeader, _ preamble: ConnectPreamble, text: UTF8Rule
    ) throws(Violation) {
        let start = preamble.levelOffset + 2
        let body = ByteRange(offset: start, count: header.packetLength - start)
        var fields = FieldReader(bytes, body, text: text)
        self.init(
            version: preamble.version, isBridge: preamble.isBridge, length: header.packetLength,
            firstByte: header.firstByte, flags: preamble.flags, levelOffset: preamble.levelOffset,
            keepAlive: try fields.u16())
        if version == .v5 {
            properties = try fields.propertyBlock()
            try readProperties(bytes, text)
        }
        clientID = try fields.string()
        // MQTT 3.1, 3.1: 1 to 23 characters; servers take longer ones, and so do we. In 5.0 the broker assigns one.
        if clientID.isEmpty, version == .v31 || (version == .v311 && !isCleanStart) { throw .clientIdentifierEmpty }
        if flags & ConnectFlags.will != 0 { will = try readWill(&fields, bytes, text) }
        if flags & ConnectFlags.username != 0, mayFollow(fields.isAtEnd) { username = try fields.string() }
        if flags & ConnectFlags.password != 0, mayFollow(fields.isAtEnd) { password = try fields.binary() }
        guard fields.isAtEnd else { throw .trailingBytes }
    }

    /// Whether a flagged credential is to be read. MQTT 3.1, 3.1: "the Remaining Length field takes precedence over
    /// the User Name flag"; later versions require what the flag says.
    private func mayFollow(_ isAtEnd: Bool) -> Bool { !(version == .v31 && isAtEnd) }

    private mutating func readProperties(_ bytes: Span<UInt8>, _ text: UTF8Rule) throws(Violation) {
        var walk = PropertyWalk(bytes, properties, in: .connect, text: text)
        while let item = try walk.next() {
            switch item.property {
            case .sessionExpiryInterval: sessionExpiry = item.number
            case .receiveMaximum: receiveMaximum = UInt16(item.number)
            case .maximumPacketSize: maximumPacketSize = item.number
            case .topicAliasMaximum: topicAliasMaximum = UInt16(item.number)
            case .requestResponseInformation: requestsResponseInformation = item.number == 1
            case .requestProblemInformation: requestsProblemInformation = item.number == 1
            case .authenticationMethod: authenticationMethod = item.range
            case .authenticationData: authenticationData = item.range
            default: break
            }
        }
        if authenticationData != nil, authenticationMethod == nil { throw .authenticationData }
    }

    private func readWill(
        _ fields: inout FieldReader, _ bytes: Span<UInt8>, _ text: UTF8Rule
    ) throws(Violation) -> Will {
        var properties = ByteRange(offset: fields.offset, count: 0)
        var delay: UInt32 = 0
        if version == .v5 {
            properties = try fields.propertyBlock()
            var walk = PropertyWalk(bytes, properties, in: .will, text: text)
            while let item = try walk.next() {
                if item.property == .willDelayInterval { delay = item.number }
            }
        }
        return Will(
            qos: (flags & ConnectFlags.willQoS) >> 3, isRetained: flags & ConnectFlags.willRetain != 0,
            topic: try fields.topicName(else: .willTopic), payload: try fields.binary(), properties: properties,
            delay: delay)
    }
}
