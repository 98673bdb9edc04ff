// Both ends of many sessions through a daemon: every byte is known by its place in its stream.

import Glibc
import Linux
import Testing
import Wire

/// Clients and the broker behind the daemon, on one event loop, with streams that are checked byte by byte.
final class SuccessionTraffic {
    /// One end of a session.
    final class End {
        let socket: FileDescriptor
        /// What this end sends, and what it expects.
        var outgoing: Stream
        var incoming: Stream
        var sent = 0
        var received = 0
        /// Bytes still to send before its stream ends; `nil`: no end yet.
        var total: Int?
        var hasEnded = false
        var hasShut = false
        var isOpen = true
        var failure: String?
        weak var peer: End?

        init(_ socket: consuming FileDescriptor, outgoing: Stream, incoming: Stream) {
            self.socket = socket
            self.outgoing = outgoing
            self.incoming = incoming
        }
    }

    /// An endless stream: the byte at a place is a function of the stream's number and the place.
    struct Stream {
        /// A prime, so that no block of a power of two repeats.
        static let period = 65_521
        static let table: [UInt8] = {
            var state: UInt64 = 0x9E37_79B9_7F4A_7C15
            var bytes: [UInt8] = []
            bytes.reserveCapacity(3 * period)
            for _ in 0..<period {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(UInt8(truncatingIfNeeded: state >> 33))
            }
            return bytes + bytes + bytes
        }()

        let number: Int

        /// At most a period of bytes from a place on.
        func bytes(_ place: Int, _ count: Int) -> ArraySlice<UInt8> {
            let start = (place + number * 7919) % Self.period
            return Self.table[start..<start + count]
        }
    }

    /// A client's session and the broker's end of it.
    final class Session {
        let number: Int
        let client: End
        var broker: End?
        init(_ number: Int, _ client: End) {
            self.number = number
            self.client = client
        }
    }

    private let loop: EventLoop
    private let listener: FileDescriptor
    let port: UInt16
    /// Where the daemon listens; set once it is there.
    var target: UInt16 = 0
    private(set) var sessions: [Session] = []
    private var generator: SeededGenerator
    private var next = 0
    /// Short sessions: whole, cut off before they were let in, and lost although they had been.
    private(set) var short = (whole: 0, early: 0, lost: 0)
    private var knocking: [Int32: End] = [:]
    private(set) var isRunning = true

    init(on loop: EventLoop, seed: UInt64) throws {
        self.loop = loop
        // A connection that breaks is an error of a call here.
        Signals.ignorePipe()
        generator = SeededGenerator(seed: seed)
        listener = try Socket.listen(
            SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 1024, reusePort: false)
        port = try #require(Socket.localAddress(listener.number)?.port)
        let number = listener.number
        try loop.add(number, .readable) { [unowned self] _ in accept(number) }
    }

    deinit {
        loop.remove(listener.number)
        for end in sessions.flatMap({ [$0.client, $0.broker].compactMap(\.self) }) { close(end) }
        for end in knocking.values { close(end) }
    }

    private func close(_ end: End) {
        guard end.isOpen else { return }
        end.isOpen = false
        loop.remove(end.socket.number)
    }

    // MARK: Beginning

    /// A CONNECT of MQTT 3.1.1 whose client ID is the session's number.
    private static func connect(_ number: Int) -> [UInt8] {
        let id = Array(String(number).utf8)
        let body: [UInt8] = [0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, UInt8(id.count)] + id
        return [0x10, UInt8(body.count)] + body
    }

    private static let connack: [UInt8] = [0x20, 2, 0, 0]

    private func open(_ number: Int, isSmall: Bool) throws -> End {
        let socket = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: target))
        if isSmall {
            try Socket.set(socket.number, SOL_SOCKET, SO_RCVBUF, 8192, "SO_RCVBUF")
            try Socket.set(socket.number, SOL_SOCKET, SO_SNDBUF, 8192, "SO_SNDBUF")
        }
        return End(socket, outgoing: Stream(number: 2 * number), incoming: Stream(number: 2 * number + 1))
    }

    /// Opens a session and waits until it is let in.
    func begin(isSmall: Bool) throws {
        next += 1
        let end = try open(next, isSmall: isSmall)
        let session = Session(next, end)
        let number = end.socket.number
        var answer: [UInt8] = []
        var isSent = false
        try loop.add(number, [.readable, .writable]) { [unowned self] _ in
            if !isSent, Socket.error(number) == 0 {
                isSent = (try? Descriptor.write(number, Self.connect(session.number).span)) != nil
                if isSent { try? loop.modify(number, .readable) }
            }
            answer += (try? Descriptor.read(number, limit: Self.connack.count - answer.count)) ?? []
        }
        sessions.append(session)
        let limit = Clock.now + .seconds(20)
        while answer.count < Self.connack.count || session.broker == nil {
            try #require(Clock.now < limit, "session \(session.number) is not let in")
            try loop.turn(limit: .milliseconds(5))
        }
        #expect(answer == Self.connack)
        loop.remove(number)
        try run(end)
    }

    private func accept(_ number: Int32) {
        while let accepted = try? Socket.accept(number) {
            let end = End(accepted.take(), outgoing: Stream(number: 0), incoming: Stream(number: 0))
            let socket = end.socket.number
            knocking[socket] = end
            var bytes: [UInt8] = []
            try? loop.add(socket, .readable) { [unowned self] _ in greet(end, &bytes) }
        }
    }

    /// Reads a CONNECT, answers it, and finds whose it is.
    private func greet(_ end: End, _ bytes: inout [UInt8]) {
        let socket = end.socket.number
        let wanted = bytes.count < 2 ? 2 : 2 + Int(bytes[1])
        guard let more = try? Descriptor.read(socket, limit: wanted - bytes.count) else { return }
        guard !more.isEmpty else {
            knocking[socket] = nil
            close(end)
            return
        }
        bytes += more
        guard bytes.count >= 2, bytes.count == 2 + Int(bytes[1]),
            let number = Int(String(decoding: bytes[14...], as: UTF8.self))
        else { return }
        loop.remove(socket)
        knocking[socket] = nil
        _ = try? Descriptor.write(socket, Self.connack.span)
        end.outgoing = Stream(number: 2 * number + 1)
        end.incoming = Stream(number: 2 * number)
        if let session = sessions.first(where: { $0.number == number }) {
            session.broker = end
            end.peer = session.client
            session.client.peer = end
            try? run(end)
        } else {
            echo(end)
        }
    }

    // MARK: Running

    /// Sends and receives until told to end.
    private func run(_ end: End) throws {
        try loop.add(end.socket.number, .readable) { [unowned self, unowned end] readiness in
            if readiness.contains(.readable) || readiness.contains(.closed) { receive(end) }
            if readiness.contains(.writable) { send(end) }
        }
        send(end)
    }

    private func receive(_ end: End) {
        guard end.isOpen, !end.hasEnded else { return }
        do {
            let bytes = try Descriptor.read(end.socket.number, limit: Stream.period)
            guard !bytes.isEmpty else {
                end.hasEnded = true
                try loop.modify(end.socket.number, end.hasShut ? [] : .writable)
                return
            }
            if !Self.isSame(bytes, end.incoming.bytes(end.received, bytes.count)), end.failure == nil {
                end.failure = "stream \(end.incoming.number) is wrong behind byte \(end.received)"
            }
            end.received += bytes.count
        } catch {
            guard !error.isWouldBlock else { return }
            end.failure = end.failure ?? "\(error) after \(end.received) bytes"
            end.hasEnded = true
            close(end)
        }
    }

    private static func isSame(_ bytes: [UInt8], _ wanted: ArraySlice<UInt8>) -> Bool {
        // Sound: both have `bytes.count` bytes for the duration of the call. A loop over them takes too long unoptimised.
        unsafe bytes.withUnsafeBytes { a in
            unsafe wanted.withUnsafeBytes { b in unsafe memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 }
        }
    }

    private func send(_ end: End) {
        guard end.isOpen, !end.hasShut else { return }
        let room = end.total.map { $0 - end.sent } ?? Int.max
        if room <= 0 {
            end.hasShut = true
            Socket.shutdownWrite(end.socket.number)
            try? loop.modify(end.socket.number, end.hasEnded ? [] : .readable)
            return
        }
        // What is on its way is bounded: checking it all at the end would take as long as the test.
        if room > Self.inFlight, let peer = end.peer, end.sent - peer.received > Self.inFlight { return pause(end) }
        let sizes = [1, 2, 100, 1500, 9000, 40_000]
        let count = min(room, sizes[Int(generator.next() % UInt64(sizes.count))])
        do {
            end.sent += try Descriptor.write(
                end.socket.number, Array(end.outgoing.bytes(end.sent, count)).span)
            try loop.modify(end.socket.number, end.hasEnded ? [] : .readable)
            pause(end)
        } catch {
            guard error.isWouldBlock else {
                end.failure = end.failure ?? "\(error) after \(end.sent) bytes were sent"
                return
            }
            try? loop.modify(end.socket.number, end.hasEnded ? .writable : [.readable, .writable])
        }
    }

    /// Bytes of a stream that were sent and have not arrived.
    private static let inFlight = 300_000

    private func pause(_ end: End) {
        let pause = Int64(generator.next() % 20_000)
        loop.schedule(at: Clock.now + .microseconds(pause)) { [weak self, weak end] in
            guard let self, let end else { return }
            send(end)
        }
    }

    // MARK: Short sessions

    private func echo(_ end: End) {
        let number = end.socket.number
        knocking[number] = end
        try? loop.add(number, .readable) { [unowned self, unowned end] _ in
            guard let bytes = try? Descriptor.read(number, limit: 4096), !bytes.isEmpty else {
                close(end)
                knocking[number] = nil
                return
            }
            _ = try? Descriptor.write(number, bytes.span)
        }
    }

    /// One session that comes, says a little, and goes, beside the others.
    func visit() throws {
        let number = 1_000_000 + next
        next += 1
        let end = try open(number, isSmall: false)
        let socket = end.socket.number
        let hello = Array("hello \(number)".utf8)
        let expected = Self.connack + hello
        var answer: [UInt8] = []
        var isSent = false
        try loop.add(socket, [.readable, .writable]) { [unowned self, end] _ in
            if !isSent {
                guard Socket.error(socket) == 0 else {
                    short.early += 1
                    return close(end)
                }
                isSent = (try? Descriptor.write(socket, Self.connect(number).span)) != nil
                try? loop.modify(socket, .readable)
                return
            }
            do {
                let bytes = try Descriptor.read(socket, limit: 4096)
                let former = answer.count
                answer += bytes
                if former < Self.connack.count, answer.count >= Self.connack.count {
                    _ = try? Descriptor.write(socket, hello.span)
                }
                if answer == expected {
                    short.whole += 1
                    close(end)
                } else if bytes.isEmpty {
                    if answer.count < Self.connack.count { short.early += 1 } else { short.lost += 1 }
                    close(end)
                }
            } catch {
                guard (error as? Errno)?.isWouldBlock != true else { return }
                if answer.count < Self.connack.count { short.early += 1 } else { short.lost += 1 }
                close(end)
            }
        }
    }

    // MARK: Ending

    /// Both ends of every session end their streams, and hear the other's end.
    func finish() throws {
        let ends = sessions.flatMap { [$0.client, $0.broker].compactMap(\.self) }
        for end in ends {
            end.total = end.sent
            send(end)
        }
        let limit = Clock.now + .seconds(60)
        while !ends.allSatisfy({ $0.hasEnded && ($0.hasShut || !$0.isOpen) }) {
            guard Clock.now < limit else { break }
            try loop.turn(limit: .milliseconds(20))
        }
    }

    /// What went wrong, as sentences; empty when nothing did.
    var failures: [String] {
        sessions.flatMap { session -> [String] in
            guard let broker = session.broker else { return ["session \(session.number) has no broker"] }
            var found = [session.client.failure, broker.failure].compactMap(\.self)
            if session.client.sent != broker.received {
                found.append("session \(session.number): \(session.client.sent) up, \(broker.received) came")
            }
            if broker.sent != session.client.received {
                found.append("session \(session.number): \(broker.sent) down, \(session.client.received) came")
            }
            if !session.client.hasEnded || !broker.hasEnded { found.append("session \(session.number) hangs") }
            return found
        }
    }

    /// Bytes that arrived, all sessions, both ways.
    var moved: Int { sessions.reduce(0) { $0 + $1.client.received + ($1.broker?.received ?? 0) } }
}
