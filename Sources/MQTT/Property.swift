// The properties of MQTT 5.0: the one table that drives their decoding and encoding.

/// A property of MQTT 5.0 (table 2-4); the raw value is its identifier.
package enum Property: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case payloadFormatIndicator = 0x01
    case messageExpiryInterval = 0x02
    case contentType = 0x03
    case responseTopic = 0x08
    case correlationData = 0x09
    case subscriptionIdentifier = 0x0B
    case sessionExpiryInterval = 0x11
    case assignedClientIdentifier = 0x12
    case serverKeepAlive = 0x13
    case authenticationMethod = 0x15
    case authenticationData = 0x16
    case requestProblemInformation = 0x17
    case willDelayInterval = 0x18
    case requestResponseInformation = 0x19
    case responseInformation = 0x1A
    case serverReference = 0x1C
    case reasonString = 0x1F
    case receiveMaximum = 0x21
    case topicAliasMaximum = 0x22
    case topicAlias = 0x23
    case maximumQoS = 0x24
    case retainAvailable = 0x25
    case userProperty = 0x26
    case maximumPacketSize = 0x27
    case wildcardSubscriptionAvailable = 0x28
    case subscriptionIdentifierAvailable = 0x29
    case sharedSubscriptionAvailable = 0x2A

    /// How a property's value is written.
    enum Kind: Sendable { case byte, u16, u32, variable, string, topic, binary, pair }

    /// Where a property may stand.
    struct Place: OptionSet, Sendable {
        let rawValue: UInt16
        static let connect = Place(rawValue: 1 << 0)
        static let will = Place(rawValue: 1 << 1)
        static let connack = Place(rawValue: 1 << 2)
        static let publish = Place(rawValue: 1 << 3)
        static let puback = Place(rawValue: 1 << 4)
        static let subscribe = Place(rawValue: 1 << 5)
        static let suback = Place(rawValue: 1 << 6)
        static let disconnect = Place(rawValue: 1 << 7)
        /// Everywhere that is read or written here.
        static let anywhere = Place(rawValue: 0xFF)
    }

    /// A row of the table: how the value is written, the values allowed when it is a number, where the property may
    /// stand, and where it may stand more than once.
    struct Row: Sendable {
        let kind: Kind
        let values: ClosedRange<UInt32>
        let places: Place
        let repeats: Place

        init(_ kind: Kind, _ places: Place, values: ClosedRange<UInt32> = 0...UInt32.max, repeats: Place = []) {
            self.kind = kind
            self.values = values
            self.places = places
            self.repeats = repeats
        }
    }

    /// MQTT 5.0, table 2-4 and the ranges of 3.1.2.11, 3.2.2.3 and 3.3.2.3.
    var row: Row {
        switch self {
        case .payloadFormatIndicator: Row(.byte, [.publish, .will], values: 0...1)
        case .messageExpiryInterval: Row(.u32, [.publish, .will])
        case .contentType: Row(.string, [.publish, .will])
        case .responseTopic: Row(.topic, [.publish, .will])
        case .correlationData: Row(.binary, [.publish, .will])
        case .subscriptionIdentifier:
            Row(.variable, [.publish, .subscribe], values: 1...UInt32(VariableByteInteger.maximum), repeats: .publish)
        case .sessionExpiryInterval: Row(.u32, [.connect, .connack, .disconnect])
        case .assignedClientIdentifier: Row(.string, .connack)
        case .serverKeepAlive: Row(.u16, .connack)
        case .authenticationMethod: Row(.string, [.connect, .connack])
        case .authenticationData: Row(.binary, [.connect, .connack])
        case .requestProblemInformation: Row(.byte, .connect, values: 0...1)
        case .willDelayInterval: Row(.u32, .will)
        case .requestResponseInformation: Row(.byte, .connect, values: 0...1)
        case .responseInformation: Row(.string, .connack)
        case .serverReference: Row(.string, [.connack, .disconnect])
        case .reasonString: Row(.string, [.connack, .puback, .suback, .disconnect])
        case .receiveMaximum: Row(.u16, [.connect, .connack], values: 1...0xFFFF)
        case .topicAliasMaximum: Row(.u16, [.connect, .connack])
        case .topicAlias: Row(.u16, .publish, values: 1...0xFFFF)
        case .maximumQoS: Row(.byte, .connack, values: 0...1)
        case .retainAvailable: Row(.byte, .connack, values: 0...1)
        case .userProperty: Row(.pair, .anywhere, repeats: .anywhere)
        case .maximumPacketSize: Row(.u32, [.connect, .connack], values: 1...UInt32.max)
        case .wildcardSubscriptionAvailable: Row(.byte, .connack, values: 0...1)
        case .subscriptionIdentifierAvailable: Row(.byte, .connack, values: 0...1)
        case .sharedSubscriptionAvailable: Row(.byte, .connack, values: 0...1)
        }
    }
}
