// The control packet types of MQTT.

/// A control packet type: the high four bits of a packet's first byte (MQTT 5.0, 2.1.2).
package enum PacketType: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case connect = 1
    case connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback, unsubscribe, unsuback
    case pingreq, pingresp, disconnect, auth

    /// The type of the packet that begins with `firstByte`; nil when its flags forbid it (MQTT 5.0, 2.1.3).
    package init?(firstByte: UInt8) {
        guard let type = PacketType(rawValue: firstByte >> 4), type.allows(flags: firstByte & 0x0F) else { return nil }
        self = type
    }

    /// The first byte of a packet of this type whose flags are fixed; of PUBLISH with QoS 0.
    package var firstByte: UInt8 { rawValue << 4 | requiredFlags }

    /// Whether the low four bits of the first byte may be `flags`. MQTT 3.1 ignores them in CONNECT: that is for the
    /// caller to know.
    package func allows(flags: UInt8) -> Bool {
        guard self == .publish else { return flags == requiredFlags }
        let qos = flags >> 1 & 3
        // MQTT 5.0, 3.3.1.1 and 3.3.1.2: no QoS 3, and no DUP with QoS 0.
        return qos != 3 && (qos != 0 || flags & 8 == 0)
    }

    /// The name for logs: `connect`, `publish`, …
    package var name: String { "\(self)" }

    private var requiredFlags: UInt8 {
        switch self {
        case .pubrel, .subscribe, .unsubscribe: 2
        default: 0
        }
    }
}
