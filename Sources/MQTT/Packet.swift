// The packets a check and a small client speak, read and written.

/// A control packet as an owned value: what health checks and clients of ours send and understand.
///
/// Not for the relay, which copies bytes and looks at packet boundaries at most (``PacketBoundary``). Of the fifteen
/// types those of QoS 2, UNSUBSCRIBE and AUTH are missing, because nobody here speaks them.
package enum Packet: Equatable, Sendable {
    case connect(ConnectDraft)
    case connack(ConnackDraft)
    case publish(Publish)
    case puback(Puback)
    case subscribe(Subscribe)
    case suback(Suback)
    case pingreq
    case pingresp
    case disconnect(Disconnect)

    /// The packet's bytes. A CONNECT is written in its own version.
    ///
    /// - Throws: ``Oversize`` when a field or the packet is too long.
    package func encode(version: ProtocolVersion) throws(Oversize) -> [UInt8] {
        switch self {
        case .connect(let connect): try connect.encode()
        case .connack(let connack): try connack.encode(version: version)
        case .publish(let publish): try publish.encode(version: version)
        case .puback(let puback): try puback.encode(version: version)
        case .subscribe(let subscribe): try subscribe.encode(version: version)
        case .suback(let suback): try suback.encode(version: version)
        case .pingreq: [PacketType.pingreq.firstByte, 0]
        case .pingresp: [PacketType.pingresp.firstByte, 0]
        case .disconnect(let disconnect): try disconnect.encode(version: version)
        }
    }
}
