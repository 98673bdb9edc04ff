// Every rule a peer can break, with its name for counters and logs.

/// The rule that bytes from a peer broke.
///
/// Counters are arrays indexed by `rawValue` (0 to `allCases.count - 1`); ``name`` is stable and appears in metrics,
/// logs and manuals.
package enum Violation: Int, Error, CaseIterable, Sendable, BitwiseCopyable {
    // Traffic that is not MQTT, or not the beginning of it.
    case httpRequest, webSocketUpgrade, tlsClientHello, sshBanner, proxyHeaderV1, proxyHeaderV2, amqpHeader
    case firstPacketNotConnect, notMQTT
    // Any packet.
    case packetTooLarge, remainingLength, fixedHeaderFlags, truncated, trailingBytes, unexpectedPacket
    case reservedBits, packetIdentifier, reasonCode, emptySubscription, topic
    // CONNECT.
    case protocolName, protocolVersion, bridgeNotAllowed, connectReservedFlag, willFlags, willQoS
    case passwordWithoutUsername, clientIdentifierEmpty, willTopic
    // Text.
    case utf8, utf8Null, utf8Control, utf8NonCharacter
    // Properties of 5.0.
    case propertyLength, propertyUnknown, propertyNotAllowed, propertyDuplicate, propertyValue, authenticationData

    /// The stable name: `tls-client-hello`, `will-qos`.
    package var name: String { row.name }

    /// The rule in a few words, with its place in the specification where it has one.
    package var rule: String { row.rule }

    /// What a server answers to a CONNECT with this violation in MQTT 5.0; nil: it closes without a word.
    package var reasonCode: ReasonCode? { row.reasonCode }

    /// Whether 3.x has a return code for it too. What is merely malformed is closed without a word there
    /// (MQTT 3.1.1, 4.8 and [MQTT-3.1.4-1]).
    package var hasReturnCode: Bool {
        switch self {
        case .protocolVersion, .bridgeNotAllowed, .clientIdentifierEmpty: true
        default: false
        }
    }

    private struct Row {
        let name: String
        let reasonCode: ReasonCode?
        let rule: String

        init(_ name: String, _ reasonCode: ReasonCode?, _ rule: String) {
            self.name = name
            self.reasonCode = reasonCode
            self.rule = rule
        }
    }

    private var row: Row {
        switch self {
        case .httpRequest: Row("http-request", nil, "the first bytes are an HTTP request")
        case .webSocketUpgrade: Row("websocket-upgrade", nil, "the first bytes are a WebSocket upgrade")
        case .tlsClientHello: Row("tls-client-hello", nil, "the first bytes are a TLS handshake")
        case .sshBanner: Row("ssh-banner", nil, "the first bytes are an SSH banner")
        case .proxyHeaderV1: Row("proxy-header-v1", nil, "a PROXY header, version 1, where none is expected")
        case .proxyHeaderV2: Row("proxy-header-v2", nil, "a PROXY header, version 2, where none is expected")
        case .amqpHeader: Row("amqp-header", nil, "the first bytes are an AMQP header")
        case .firstPacketNotConnect: Row("first-packet-not-connect", nil, "CONNECT comes first [MQTT-3.1.0-1]")
        case .notMQTT: Row("not-mqtt", nil, "the first bytes are nothing known here")
        case .packetTooLarge: Row("packet-too-large", .packetTooLarge, "the packet is longer than allowed here")
        case .remainingLength: Row("remaining-length", .malformedPacket, "four bytes, as few as possible (5.0, 1.5.5)")
        case .fixedHeaderFlags: Row("fixed-header-flags", .malformedPacket, "flags as in 5.0, 2.1.3")
        case .truncated: Row("truncated", .malformedPacket, "a field reaches beyond the packet's end")
        case .trailingBytes: Row("trailing-bytes", .malformedPacket, "bytes are left behind the last field")
        case .unexpectedPacket: Row("unexpected-packet", .protocolError, "this packet has no place here")
        case .reservedBits: Row("reserved-bits", .malformedPacket, "reserved bits are zero")
        case .packetIdentifier: Row("packet-identifier", .protocolError, "packet identifiers are not zero (5.0, 2.2.1)")
        case .reasonCode: Row("reason-code", .malformedPacket, "a reason or return code the packet does not define")
        case .emptySubscription: Row("empty-subscription", .protocolError, "at least one topic filter (5.0, 3.8.3)")
        case .topic: Row("topic", .topicNameInvalid, "topics are not empty; names have no wildcard (5.0, 4.7)")
        case .protocolName: Row("protocol-name", nil, "the name is MQTT or MQIsdp (5.0, 3.1.2.1)")
        case .protocolVersion:
            Row("protocol-version", .unsupportedProtocolVersion, "MQIsdp 3, MQTT 4 or MQTT 5 (5.0, 3.1.2.2)")
        case .bridgeNotAllowed:
            Row("bridge-not-allowed", .unsupportedProtocolVersion, "bridges (level with bit 7) are not allowed here")
        case .connectReservedFlag:
            Row("connect-reserved-flag", .malformedPacket, "the reserved flag is 0 [MQTT-3.1.2-3]")
        case .willFlags: Row("will-flags", .malformedPacket, "no will QoS or retain without will [MQTT-3.1.2-11]")
        case .willQoS: Row("will-qos", .malformedPacket, "the will's QoS is 0, 1 or 2 [MQTT-3.1.2-12]")
        case .passwordWithoutUsername:
            Row("password-without-username", .malformedPacket, "3.x: no password without user name [MQTT-3.1.2-22]")
        case .clientIdentifierEmpty:
            Row("client-id-empty", .clientIdentifierNotValid, "3.1.1: empty only with clean session [MQTT-3.1.3-7]")
        case .willTopic: Row("will-topic", .topicNameInvalid, "the will's topic is a topic name (5.0, 4.7)")
        case .utf8: Row("utf8", .malformedPacket, "text is well-formed UTF-8 [MQTT-1.5.4-1]")
        case .utf8Null: Row("utf8-null", .malformedPacket, "text has no U+0000 [MQTT-1.5.4-2]")
        case .utf8Control: Row("utf8-control", .malformedPacket, "text has no control characters (5.0, 1.5.4)")
        case .utf8NonCharacter: Row("utf8-noncharacter", .malformedPacket, "text has no noncharacters (5.0, 1.5.4)")
        case .propertyLength: Row("property-length", .malformedPacket, "properties end where their length says")
        case .propertyUnknown: Row("property-unknown", .malformedPacket, "a property of table 2-4 (5.0, 2.2.2.2)")
        case .propertyNotAllowed:
            Row("property-not-allowed", .malformedPacket, "a property of this packet (5.0, 2.2.2.2)")
        case .propertyDuplicate: Row("property-duplicate", .protocolError, "a property at most once (5.0, 2.2.2.2)")
        case .propertyValue: Row("property-value", .protocolError, "a property's value in its range (5.0, 3.1.2.11)")
        case .authenticationData:
            Row("authentication-data", .protocolError, "no authentication data without method (5.0, 3.1.2.11.10)")
        }
    }
}
