// The bits of the connect flags and of the protocol level.

/// Bits in CONNECT (MQTT 5.0, 3.1.2.3).
enum ConnectFlags {
    static let reserved: UInt8 = 0x01
    static let cleanStart: UInt8 = 0x02
    static let will: UInt8 = 0x04
    static let willQoS: UInt8 = 0x18
    static let willRetain: UInt8 = 0x20
    static let password: UInt8 = 0x40
    static let username: UInt8 = 0x80

    /// In the protocol level: the sender is a bridge (mosquitto's `try_private`).
    static let bridgeLevel: UInt8 = 0x80

    /// The rule that the flags themselves break; nil when they are consistent.
    static func violation(_ flags: UInt8, _ version: ProtocolVersion) -> Violation? {
        // MQTT 3.1, 3.1: the bit is "reserved for future use", not required to be 0.
        if flags & reserved != 0, version != .v31 { return .connectReservedFlag }
        if flags & willQoS == willQoS { return .willQoS }
        if flags & will == 0, flags & (willQoS | willRetain) != 0 { return .willFlags }
        if flags & password != 0, flags & username == 0, version != .v5 { return .passwordWithoutUsername }
        return nil
    }
}
