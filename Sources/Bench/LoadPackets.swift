// The packets of a generator, made once and sent many times.

import MQTT
import WebSocket
import Wire

/// What the sessions of a generator send, ready for the wire, and what must answer.
struct LoadPackets: Sendable {
    private static let topic = Array("bench".utf8)
    /// Bytes of ``stream``, about.
    private static let streamSize = 256 << 10

    /// The question of a `ping`, and the first byte of its answer without flags.
    let question: [UInt8]
    let answer: PacketType
    let pingreq: [UInt8]
    let disconnect: [UInt8]
    let subscribe: [UInt8]
    /// Whole QoS 0 messages, one after the other, and how many bytes each has.
    let stream: [UInt8]
    let messageSize: Int

    private let isWebSocket: Bool
    private let keepAlive: UInt16
    private let prefix: String

    /// - Throws: when the payload is longer than a packet.
    init(_ settings: LoadSettings) throws(Oversize) {
        isWebSocket = settings.url.scheme.isWebSocket
        keepAlive = settings.keepAlive
        prefix = settings.clientPrefix
        let payload = (0..<settings.payload).map { UInt8(truncatingIfNeeded: $0) }
        let isWebSocket = isWebSocket
        func framed(_ packet: Packet) throws(Oversize) -> [UInt8] {
            BenchStream.framed(try packet.encode(version: .v311), isWebSocket: isWebSocket, isClient: true)
        }
        pingreq = try framed(.pingreq)
        disconnect = try framed(.disconnect(Disconnect()))
        subscribe = try framed(.subscribe(Subscribe(identifier: 1, filters: [.init(Self.topic, qos: 0)])))
        let message = try framed(.publish(Publish(topic: Self.topic, payload: payload)))
        messageSize = message.count
        var stream: [UInt8] = []
        if settings.scenario == .publish {
            repeat { stream += message } while stream.count + message.count <= Self.streamSize
        }
        self.stream = stream
        switch settings.question {
        case .pingreq: (question, answer) = (pingreq, .pingresp)
        case .qos1:
            question = try framed(.publish(Publish(topic: Self.topic, payload: payload, qos: 1, identifier: 1)))
            answer = .puback
        case .echo: (question, answer) = (message, .publish)
        }
    }

    /// The CONNECT of one session.
    func connect(_ number: Int) -> [UInt8] {
        let draft = ConnectDraft(version: .v311, clientID: Array("\(prefix)-\(number)".utf8), keepAlive: keepAlive)
        // An identifier that was checked when the settings were read.
        guard let packet = try? draft.encode() else { preconditionFailure("a client identifier that is too long") }
        return BenchStream.framed(packet, isWebSocket: isWebSocket, isClient: true)
    }
}
