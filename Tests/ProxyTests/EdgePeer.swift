// One end of a connection that speaks TLS, WebSocket, both or neither, in a test's hands.

import COpenSSL
import Glibc
import Linux
import MQTT
import Testing
import WebSocket
import Wire

@testable import Proxy
@testable import TLS

/// What a test's client or server speaks around MQTT.
enum Wrapping: String, CaseIterable, Sendable {
    case tcp, tls12, tls13, ws, wss

    var hasTLS: Bool { self == .tls12 || self == .tls13 || self == .wss }
    var hasWebSocket: Bool { self == .ws || self == .wss }
    /// The only version that is spoken.
    var version: Int? { self == .tls12 ? 12 : self == .tls13 ? 13 : nil }
}

/// A scripted client or server that carries both directions at once, on one thread.
final class EdgePeer {
    let peer: Peer
    let isClient: Bool
    let tls: TLSSession?
    /// Frames are read since the upgrade.
    private var reader: FrameReader?
    private var isFramed = false
    /// Plain bytes that came and were not taken.
    private(set) var inbox: [UInt8] = []
    /// Bytes for the network.
    private var outbox: [UInt8] = []
    private(set) var isEnded = false
    private(set) var controls: [ControlFrame] = []
    private var random: SeededGenerator

    init(_ peer: Peer, isClient: Bool, _ context: TLSContext?, seed: UInt64 = 1) throws {
        self.peer = peer
        self.isClient = isClient
        tls = try context.map { context throws(TLSError) in try TLSSession(context) }
        random = SeededGenerator(seed: seed)
    }

    /// A client, secured and upgraded.
    convenience init(
        to address: SocketAddress, _ wrapping: Wrapping, buffers: Int32? = nil, path: String = "/mqtt", seed: UInt64 = 1
    ) throws {
        let context = wrapping.hasTLS ? try Certificates.client(wrapping.version) : nil
        try self.init(
            try Peer(to: address, receiveBuffer: buffers, sendBuffer: buffers), isClient: true, context, seed: seed)
        try secure()
        if wrapping.hasWebSocket { try upgrade(path) }
    }

    // MARK: Beginnings

    func secure() throws {
        guard let tls else { return }
        while tls.state == .handshaking { try turn() }
    }

    /// Asks for a WebSocket.
    func upgrade(_ path: String, host: String = "mqtt.example.com", fields: [String] = []) throws {
        let key = HandshakeKey.text(Array(0..<16))
        let lines =
            [
                "GET \(path) HTTP/1.1", "Host: \(host)", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: \(key)", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: mqtt",
            ] + fields
        try sendRaw(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
        let head = try receiveHead()
        guard head.hasPrefix("HTTP/1.1 101 "), head.contains(HandshakeKey.answer(to: key)) else {
            throw Peer.Failure.timeout(head)
        }
        frame()
    }

    /// Answers a request for a WebSocket; the request.
    func answerUpgrade() throws -> String {
        let head = try receiveHead()
        let request = Array((head + "\r\n\r\n").utf8)
        var reader = UpgradeRequestReader()
        guard case .request(let wanted) = try reader.read(request.span) else { throw Peer.Failure.timeout(head) }
        try sendRaw(wanted.acceptance)
        frame()
        return head
    }

    /// What comes from here on, and what has come behind a head, is frames.
    func frame() {
        isFramed = true
        reader = FrameReader(policy: FramePolicy(isPeerClient: !isClient))
        let rest = inbox
        inbox = []
        if !rest.isEmpty { try? take(rest) }
    }

    /// A head of HTTP without its empty line.
    func receiveHead() throws -> String {
        while true {
            let text = String(decoding: inbox, as: UTF8.self)
            if let end = text.range(ofEmptyLine: ()) {
                inbox.removeFirst(end + 4)
                return String(text.utf8.prefix(end)) ?? ""
            }
            guard !isEnded else { throw Peer.Failure.ended(after: inbox.count) }
            try turn()
        }
    }

    /// Sends what a failed handshake left to say.
    func sendAlert() throws {
        if let tls { try peer.send(tls.takeCiphertext(limit: tls.unsent)) }
    }

    /// Sends what TLS says first, without waiting for an answer.
    func sendHello() throws { try flush() }

    // MARK: Sending

    /// Queues MQTT bytes: framed, in fragments of random size now and then, and encrypted.
    func queue(_ bytes: [UInt8]) throws {
        guard isFramed else {
            try queueRaw(bytes)
            return
        }
        var opcode = Opcode.binary
        var rest = bytes[...]
        repeat {
            let count = Int.random(in: 0...3, using: &random) == 0 ? Int.random(in: 0...rest.count, using: &random) : rest.count
            let piece = Array(rest.prefix(count))
            rest = rest.dropFirst(count)
            try queueRaw(Frame.encode(opcode, piece, isFinal: rest.isEmpty, mask: mask))
            opcode = .continuation
            if Int.random(in: 0...20, using: &random) == 0 {
                try queueRaw(Frame.encode(.ping, Array(bytes.prefix(3)), mask: mask))
            }
        } while !rest.isEmpty
    }

    private var mask: UInt32? { isClient ? UInt32.random(in: 0 ... .max, using: &random) : nil }

    func queueControl(_ opcode: Opcode, _ payload: [UInt8]) throws { try queueRaw(Frame.encode(opcode, payload, mask: mask)) }

    func queueRaw(_ bytes: [UInt8]) throws {
        if let tls { try tls.write(bytes.span) } else { outbox += bytes }
    }

    func send(_ bytes: [UInt8]) throws {
        try queue(bytes)
        try flush()
    }

    func sendRaw(_ bytes: [UInt8]) throws {
        try queueRaw(bytes)
        try flush()
    }

    private func flush() throws {
        while !outbox.isEmpty || (tls?.unsent ?? 0) > 0 { try turn(reading: false) }
    }

    /// Says goodbye in every layer and ends the stream.
    func finish() throws {
        if isFramed { try queueRaw(Frame.close(.normal, mask: mask)) }
        tls?.close()
        try flush()
        peer.shutdown()
    }

    // MARK: Receiving

    func receive(_ count: Int) throws -> [UInt8] {
        while inbox.count < count {
            guard !isEnded else { throw Peer.Failure.ended(after: inbox.count) }
            try turn()
        }
        defer { inbox.removeFirst(count) }
        return Array(inbox.prefix(count))
    }

    func receiveControl() throws -> ControlFrame {
        while controls.isEmpty {
            guard !isEnded else { throw Peer.Failure.ended(after: inbox.count) }
            try turn()
        }
        return controls.removeFirst()
    }

    /// Everything up to the end of the stream.
    func receiveToEnd() throws -> [UInt8] {
        while !isEnded { try turn() }
        defer { inbox = [] }
        return inbox
    }

    /// Whether bytes wait for the network.
    var hasOutput: Bool { !outbox.isEmpty || (tls?.unsent ?? 0) > 0 }

    /// Whether the network takes bytes within `milliseconds`.
    func isWritable(within milliseconds: Int32) -> Bool { peer.happens(Int32(POLLOUT), within: milliseconds) }

    /// What came so far.
    func takeAll() -> [UInt8] {
        defer { inbox = [] }
        return inbox
    }

    /// Whether TLS was ended by close_notify.
    var hasHeardCloseNotify: Bool { tls?.state == .ended || tls?.state == .closed }

    /// Sends one pattern while it receives another; how many bytes came, all as in the pattern.
    func exchange(
        _ out: Pattern, _ sending: Int, _ incoming: Pattern, _ receiving: Int, largest: Int = 60_000,
        updating: Bool = false
    ) throws -> Int {
        var sent = 0
        var received = 0
        while sent < sending || received < receiving || !outbox.isEmpty || (tls?.unsent ?? 0) > 0 {
            if sent < sending, outbox.count < 100_000, (tls?.unsent ?? 0) < 100_000 {
                let most = Int.random(in: 1...largest, using: &random)
                let piece = out.bytes(at: sent, most: min(sending - sent, most))
                // New keys now and then, and every other time the other side is asked for its own.
                if updating, Int.random(in: 0...3, using: &random) == 0 {
                    try updateKeys(requesting: Bool.random(using: &random))
                }
                try queue(piece)
                sent += piece.count
            }
            try turn(most: Int.random(in: 1...100_000, using: &random))
            guard incoming.matches(inbox, at: received) else { throw Peer.Failure.ended(after: received) }
            received += inbox.count
            inbox = []
            if isEnded, received < receiving { return received }
        }
        return received
    }

    /// Announces new keys (RFC 8446, 4.6.3) before whatever is sent next.
    func updateKeys(requesting: Bool) throws {
        guard let handle = unsafe tls?.handle else { return }
        let kind = requesting ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED
        // Sound: the session lives, and is this thread's.
        guard unsafe SSL_key_update(handle, kind) == 1, unsafe SSL_do_handshake(handle) == 1 else {
            throw Peer.Failure.timeout("new keys")
        }
    }

    /// Asks to begin again (RFC 5246, 7.4.1.2).
    func renegotiate() throws {
        guard let handle = unsafe tls?.handle else { return }
        // Sound: as above. The request itself waits for an answer.
        guard unsafe SSL_renegotiate(handle) == 1 else { throw Peer.Failure.timeout("renegotiation") }
        _ = unsafe SSL_do_handshake(handle)
        try flush()
    }

    /// The records that bytes become, which are not sent.
    func sealed(_ bytes: [UInt8]) throws -> [UInt8] {
        try flush()
        try tls?.write(bytes.span)
        return tls?.takeCiphertext(limit: 1 << 20) ?? []
    }

    /// Sends bytes past every layer.
    func sendBelow(_ bytes: [UInt8]) throws {
        try flush()
        outbox += bytes
        try flush()
    }

    /// Moves what can be moved now, or waits for it.
    func turn(reading: Bool = true, most: Int = 65_536) throws {
        if outbox.isEmpty, let tls, tls.unsent > 0 { outbox = tls.takeCiphertext(limit: 65_536) }
        var events = outbox.isEmpty ? 0 : POLLOUT
        if reading || !outbox.isEmpty, !isEnded { events |= POLLIN }
        guard peer.happens(Int32(events), within: Peer.patience) else { throw Peer.Failure.timeout("a turn") }
        if !outbox.isEmpty {
            let count = try peer.sendSome(outbox)
            outbox.removeFirst(count)
        }
        guard !isEnded else { return }
        do {
            let bytes = try Descriptor.read(peer.number, limit: most)
            if bytes.isEmpty { isEnded = true } else { try decrypt(bytes) }
        } catch let error as Errno where error.isWouldBlock {}
    }

    private func decrypt(_ bytes: [UInt8]) throws {
        guard let tls else {
            try take(bytes)
            return
        }
        try tls.receive(bytes.span)
        while true {
            let plain = try tls.readPlaintext()
            if plain.isEmpty { return }
            try take(plain)
        }
    }

    private func take(_ bytes: [UInt8]) throws {
        guard var reader else {
            inbox += bytes
            return
        }
        var bytes = bytes
        var found: [Range<Int>] = []
        var offset = 0
        do {
            var span = bytes.mutableSpan
            while offset < span.count {
                let step = try reader.next(&span, from: offset)
                offset = step.end
                switch step.event {
                case .needMore: break
                case .pong: pongs += 1
                case .data(let range): found.append(range)
                case .ping(let control), .close(let control): controls.append(control)
                }
            }
        }
        self.reader = reader
        for range in found { inbox += bytes[range] }
    }

    private(set) var pongs = 0
}

extension String {
    /// Where an empty line ends a head, in bytes.
    fileprivate func range(ofEmptyLine: Void) -> Int? {
        let bytes = Array(utf8)
        guard bytes.count >= 4 else { return nil }
        return (0...bytes.count - 4).first { Array(bytes[$0..<$0 + 4]) == [13, 10, 13, 10] }
    }
}
