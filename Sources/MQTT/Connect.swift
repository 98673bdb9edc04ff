// A CONNECT as it was read: its values, and where its fields stand.

/// A valid CONNECT of any version (MQTT 3.1, 3.1; MQTT 3.1.1, 3.1; MQTT 5.0, 3.1).
///
/// Plain data: numbers and ranges into the packet, whose bytes stay with whoever received them and are forwarded
/// unchanged. ``ConnectDraft`` copies the fields out, for those who alter them.
package struct Connect: Equatable, Sendable, BitwiseCopyable {
    /// A will (MQTT 5.0, 3.1.2.5 and 3.1.3.2).
    package struct Will: Equatable, Sendable, BitwiseCopyable {
        /// 0 to 2.
        package var qos: UInt8
        package var isRetained: Bool
        package var topic: ByteRange
        package var payload: ByteRange
        /// The encoded will properties without their length; empty in 3.x.
        package var properties: ByteRange
        /// Seconds between the loss of the session's connection and the will; 0 in 3.x.
        package var delay: UInt32
    }

    package let version: ProtocolVersion
    /// The sender is a bridge: bit 7 of the level is set, as mosquitto and NanoMQ do. Forwarded unchanged.
    package let isBridge: Bool
    /// The bytes of the packet with its fixed header.
    package let length: Int
    /// The first byte; its low four bits are 0 except in 3.1, where they mean nothing.
    package let firstByte: UInt8
    /// The connect flags as they were sent (MQTT 5.0, 3.1.2.3).
    package let flags: UInt8
    /// Where the protocol level stands; the connect flags and the keep-alive follow it.
    package let levelOffset: Int
    /// Seconds; 0: no keep-alive.
    package let keepAlive: UInt16
    /// The encoded properties without their length; empty in 3.x.
    package internal(set) var properties = ByteRange(offset: 0, count: 0)
    package internal(set) var clientID = ByteRange(offset: 0, count: 0)
    package internal(set) var will: Will?
    /// Nil when there is none, also in 3.1 when the flag is set and the packet ends before it.
    package internal(set) var username: ByteRange?
    package internal(set) var password: ByteRange?

    // What the properties say; nil (or the specification's default) in 3.x and when absent.

    /// Seconds the session outlives its connection; 0xFFFFFFFF: for ever (MQTT 5.0, 3.1.2.11.2).
    package internal(set) var sessionExpiry: UInt32?
    /// The longest packet the client takes, in bytes; a CONNACK of ours must respect it (MQTT 5.0, 3.1.2.11.4).
    package internal(set) var maximumPacketSize: UInt32?
    package internal(set) var receiveMaximum: UInt16?
    package internal(set) var topicAliasMaximum: UInt16?
    package internal(set) var requestsResponseInformation = false
    package internal(set) var requestsProblemInformation = true
    /// AUTH packets may precede the CONNACK (MQTT 5.0, 4.12).
    package internal(set) var authenticationMethod: ByteRange?
    package internal(set) var authenticationData: ByteRange?

    /// Clean session (3.x), clean start (5.0).
    package var isCleanStart: Bool { flags & ConnectFlags.cleanStart != 0 }

    init(
        version: ProtocolVersion, isBridge: Bool, length: Int, firstByte: UInt8, flags: UInt8, levelOffset: Int,
        keepAlive: UInt16
    ) {
        self.version = version
        self.isBridge = isBridge
        self.length = length
        self.firstByte = firstByte
        self.flags = flags
        self.levelOffset = levelOffset
        self.keepAlive = keepAlive
    }
}
