// The three versions of MQTT that are spoken here.

/// A version of MQTT; the raw value is the protocol level in CONNECT, without the bridge bit.
package enum ProtocolVersion: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// MQTT 3.1 (2010), protocol name `MQIsdp`.
    case v31 = 3
    /// MQTT 3.1.1 (OASIS 2014), protocol name `MQTT`.
    case v311 = 4
    /// MQTT 5.0 (OASIS 2019), protocol name `MQTT`.
    case v5 = 5

    /// The protocol name that belongs to this level (MQTT 3.1, 3.1; MQTT 5.0, 3.1.2.1).
    package var protocolName: String { self == .v31 ? "MQIsdp" : "MQTT" }

    /// How people write it: `3.1`, `3.1.1`, `5.0`.
    package var text: String {
        switch self {
        case .v31: "3.1"
        case .v311: "3.1.1"
        case .v5: "5.0"
        }
    }
}
