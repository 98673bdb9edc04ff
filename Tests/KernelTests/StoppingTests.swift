// How a daemon that is told to stop treats its sessions.

import Glibc
import Linux
import Testing
import Wire

@testable import Supervisor

@Suite("Stopping a daemon", .serialized)
struct StoppingTests {
    /// A CONNECT of MQTT 5.0, and its CONNACK.
    private static func connect(_ name: String) -> [UInt8] {
        let id = Array(name.utf8)
        let body: [UInt8] = [0, 4, 0x4D, 0x51, 0x54, 0x54, 5, 2, 0, 0, 0, 0, UInt8(id.count)] + id
        return [0x10, UInt8(body.count)] + body
    }

    private static let connack: [UInt8] = [0x20, 3, 0, 0, 0]
    private static let goodbye: [UInt8] = [0xE0, 2, 0x8B, 0]

    /// A broker that lets everybody in and says no more, and clients through a daemon.
    private final class Scene {
        private struct Client {
            let socket: FileDescriptorBox
            var bytes: [UInt8] = []
            var ended: Instant?
        }

        final class FileDescriptorBox {
            let descriptor: FileDescriptor
            init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
        }

        let loop: EventLoop
        private let listener: FileDescriptor
        private var served: [Int32: FileDescriptorBox] = [:]
        private var clients: [Client] = []
        let daemon: Daemon
        /// The broker begins a packet that never ends.
        var isHalf = false

        init(_ lines: String) throws {
            Signals.ignorePipe()
            loop = try EventLoop()
            listener = try Socket.listen(
                SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 256, reusePort: false)
            let port = try #require(Socket.localAddress(listener.number)?.port)
            daemon = try Daemon { $0.replacing("127.0.0.1:9;", with: "127.0.0.1:\(port);") + lines }
            let number = listener.number
            try loop.add(number, .readable) { [unowned self] _ in
                while let accepted = try? Socket.accept(number) { serve(accepted.take()) }
            }
            try daemon.turn { daemon.isTold("READY=1") }
        }

        private func serve(_ socket: consuming FileDescriptor) {
            let box = FileDescriptorBox(socket)
            let number = box.descriptor.number
            served[number] = box
            var isGreeted = false
            try? loop.add(number, .readable) { [unowned self] _ in
                guard let bytes = try? Descriptor.read(number, limit: 4096), !bytes.isEmpty else {
                    loop.remove(number)
                    served[number] = nil
                    return
                }
                if !isGreeted {
                    isGreeted = true
                    _ = try? Descriptor.write(number, (StoppingTests.connack + (isHalf ? [0x30, 50, 0] : [])).span)
                }
            }
        }

        /// Connects a client and waits until it is let in.
        func begin(_ name: String) throws {
            let socket = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port))
            let number = socket.number
            let place = clients.count
            clients.append(Client(socket: FileDescriptorBox(socket)))
            var isSent = false
            try loop.add(number, [.readable, .writable]) { [unowned self] readiness in
                if !isSent {
                    isSent = (try? Descriptor.write(number, StoppingTests.connect(name).span)) != nil
                    try? loop.modify(number, .readable)
                    return
                }
                do throws(Errno) {
                    let bytes = try Descriptor.read(number, limit: 4096)
                    clients[place].bytes += bytes
                    guard bytes.isEmpty else { return }
                } catch {
                    guard !error.isWouldBlock else { return }
                    clients[place].bytes += Array("reset".utf8)
                }
                clients[place].ended = Clock.now
                loop.remove(number)
                // A client that was told, or whose stream has ended, closes.
                Socket.shutdownWrite(number)
            }
            try turn { self.clients[place].bytes.count >= StoppingTests.connack.count }
        }

        func turn(until done: () throws -> Bool) throws {
            let limit = Clock.now + .seconds(30)
            while try !done() {
                try #require(Clock.now < limit, "\(daemon.log)")
                try loop.turn(limit: .milliseconds(2))
                try daemon.loop.turn(limit: .milliseconds(1))
            }
        }

        /// What each client got behind its CONNACK, and when its stream ended.
        var endings: [(bytes: [UInt8], at: Instant?)] {
            clients.map { (Array($0.bytes.dropFirst(StoppingTests.connack.count)), $0.ended) }
        }

        var isOver: Bool { daemon.ending != nil && clients.allSatisfy { $0.ended != nil } }
    }

    @Test("tells MQTT 5.0 clients, all at once, before it ends")
    func atOnce() throws {
        let scene = try Scene("")
        for number in 0..<20 { try scene.begin("device-\(number)") }
        try scene.daemon.send(Signals.terminate)
        try scene.turn { scene.isOver }
        #expect(scene.endings.allSatisfy { $0.bytes == Self.goodbye }, "\(scene.endings)")
        #expect(scene.daemon.ending == .exited(0))
    }

    @Test("keeps to the rate, and takes nobody new meanwhile")
    func rate() throws {
        let scene = try Scene("drain { rate 20/s; deadline 30s }\n")
        for number in 0..<30 { try scene.begin("device-\(number)") }
        let start = Clock.now
        try scene.daemon.send(Signals.terminate)
        try scene.turn { scene.endings.contains { $0.at != nil } }
        let late = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: scene.daemon.port))
        var isClosed = false
        try scene.turn {
            do throws(Errno) { isClosed = try Descriptor.read(late.number, limit: 16).isEmpty } catch {
                isClosed = !error.isWouldBlock
            }
            return isClosed
        }
        // The daemon is there, and says what it does.
        #expect(scene.daemon.ending == nil)
        try scene.turn { scene.isOver }
        #expect(scene.endings.allSatisfy { $0.bytes == Self.goodbye }, "\(scene.endings)")
        let times = scene.endings.compactMap(\.at).sorted()
        // 30 sessions at 20/s with a burst of 2: never faster, whatever the machine does.
        for (index, time) in times.enumerated() where index >= 2 {
            #expect(time - start >= .milliseconds(Int64(index - 2) * 50 - 5), "session \(index)")
        }
        #expect(scene.daemon.isTold("EXTEND_TIMEOUT_USEC="))
        #expect(scene.daemon.ending == .exited(0))
    }

    @Test("asks the service manager for the time it may take, before it takes it, also without a rate")
    func extended() throws {
        let scene = try Scene("drain { deadline 6s }\n")
        scene.isHalf = true
        try scene.begin("half")
        try scene.daemon.send(Signals.terminate)
        try scene.turn { scene.daemon.isTold("EXTEND_TIMEOUT_USEC=") }
        let told = scene.daemon.told
        let stop = try #require(told.firstIndex { $0.hasPrefix("STOPPING=1") })
        let extension_ = try #require(told.firstIndex { $0.hasPrefix("EXTEND_TIMEOUT_USEC=") })
        // Before it hears of the stop the manager has no time to extend.
        #expect(stop < extension_)
        #expect(Int64(told[extension_].dropFirst("EXTEND_TIMEOUT_USEC=".count)) ?? 0 >= 8_000_000)
        #expect(scene.daemon.ending == nil && scene.endings[0].at == nil)
        try scene.turn { scene.isOver }
    }

    @Test("cuts at the deadline what is inside a packet")
    func deadline() throws {
        let scene = try Scene("drain { rate 1000/s; deadline 400ms }\n")
        try scene.begin("whole")
        scene.isHalf = true
        try scene.begin("half")
        let start = Clock.now
        try scene.daemon.send(Signals.terminate)
        try scene.turn { scene.isOver }
        #expect(scene.endings[0].bytes == Self.goodbye)
        #expect(scene.endings[1].bytes == [0x30, 50, 0])
        let half = try #require(scene.endings[1].at)
        #expect(half - start >= .milliseconds(390))
        #expect(scene.daemon.log.contains("sessions are cut at the deadline"))
    }

    @Test("told twice, waits no longer")
    func twice() throws {
        let scene = try Scene("drain { rate 1/s; deadline 10m }\n")
        for number in 0..<5 { try scene.begin("device-\(number)") }
        try scene.daemon.send(Signals.terminate)
        try scene.turn { scene.daemon.log.contains("sessions are drained") }
        try scene.daemon.send(Signals.terminate)
        try scene.turn { scene.isOver }
        #expect(scene.endings.allSatisfy { $0.bytes == Self.goodbye }, "\(scene.endings)")
    }
}
