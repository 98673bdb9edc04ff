// The balancer dies while nobody answers for the names of its servers (docs/survival.md).

import Glibc
import Linux
import Synchronization
import Testing
import Wire

/// Answers each question for IPv4 addresses (RFC 1035) with the same ones, those for others with none; or is silent.
private final class Names: Sendable {
    private struct State {
        var addresses: [IPv4Address] = []
        var isSilent = false
        var isOver = false
    }

    private let state = Mutex(State())
    private let socket: FileDescriptor
    let port: UInt16

    init(_ addresses: [IPv4Address]) throws {
        socket = FileDescriptor(owning: try check("socket") { Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) })
        try Socket.bind(socket.number, SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0))
        port = try #require(Socket.localAddress(socket.number)?.port)
        set(addresses)
        _ = try Thread(name: "names") { [self] in serve() }
    }

    func set(_ addresses: [IPv4Address]) { state.withLock { $0.addresses = addresses } }
    func setSilent(_ isSilent: Bool) { state.withLock { $0.isSilent = isSilent } }
    func stop() { state.withLock { $0.isOver = true } }

    private func serve() {
        var bytes = [UInt8](repeating: 0, count: 512)
        while !state.withLock({ $0.isOver }) {
            try? Descriptor.waitReadable(socket.number, until: Clock.now + .milliseconds(100))
            var (peer, length) = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: port).storage
            // Sound: buffer, address and length live on the stack for the duration of the call, which does not wait.
            let count = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe recvfrom(socket.number, &bytes, bytes.count, Int32(MSG_DONTWAIT), $0, &length)
                }
            }
            let (addresses, isSilent) = state.withLock { ($0.addresses, $0.isSilent) }
            guard count > 16, !isSilent else { continue }
            let found = bytes[count - 3] == 1 ? addresses : []
            var answer = bytes[..<2] + [0x81, 0x80, 0, 1, 0, UInt8(found.count), 0, 0, 0, 0] + bytes[12..<count]
            for address in found { answer += [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4] + address.octets }
            // Sound: the address is the one just received.
            _ = unsafe withUnsafePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe sendto(socket.number, Array(answer), answer.count, 0, $0, length)
                }
            }
        }
    }
}

@Suite("Succession with servers by name", .serialized)
struct SuccessionNamesTests {
    /// Names of the servers that take sessions.
    private static func servers(_ daemon: Daemon) throws -> [String] {
        let backend = try daemon.ask(["command": "status"])["balancer"]?["backends"]?.array?.first
        return (backend?["servers"]?.array ?? []).filter { $0["status"] == "up" }.compactMap { $0["name"]?.string }
    }

    @Test("sessions and servers outlive deaths while nobody answers, and while the answers are others than before")
    func silence() throws {
        let home = IPv4Address(127, 0, 0, 1)
        let names = try Names([home, IPv4Address(127, 0, 0, 2)])
        defer { names.stop() }
        let broker = try EventLoop()
        let traffic = try SuccessionTraffic(on: broker, seed: 11)
        let daemon = try Daemon {
            $0.replacing("server one 127.0.0.1:9;", with: "server one broker.example:\(traffic.port);")
                + "resolver 127.0.0.1:\(names.port) every 200ms timeout 100ms\n"
        }
        try daemon.turn { daemon.isTold("READY=1") }
        try daemon.turn { try Self.servers(daemon) == ["one-127.0.0.1", "one-127.0.0.2"] }
        traffic.target = daemon.port
        for number in 0..<8 { try traffic.begin(isSmall: number % 4 == 0) }

        func die() throws {
            let pid = try #require(try daemon.balancer()["pid"]?.integer)
            #expect(Glibc.kill(Int32(pid), SIGKILL) == 0)
            try daemon.turn {
                for _ in 0..<5 { try broker.turn(limit: .milliseconds(1)) }
                let now = try daemon.balancer()
                return now["pid"]?.integer != pid && now["phase"] == "serving"
            }
        }
        func counters() throws -> JSON { try daemon.ask(["command": "status"])["balancer"]?["counters"] ?? .null }

        names.setSilent(true)
        try die()
        #expect(try Self.servers(daemon) == ["one-127.0.0.1", "one-127.0.0.2"])
        #expect(try counters()["inherited"] == 8 && counters()["inherited-homeless"] == 0)
        // New sessions find a server, too.
        for _ in 0..<2 { try traffic.begin(isSmall: false) }

        names.set([home])
        names.setSilent(false)
        try daemon.turn {
            try broker.turn(limit: .milliseconds(2))
            return try Self.servers(daemon) == ["one"]
        }
        names.setSilent(true)
        try die()
        #expect(try Self.servers(daemon) == ["one"])
        #expect(try counters()["inherited"] == 10 && counters()["inherited-homeless"] == 0)
        try traffic.begin(isSmall: false)
        try traffic.finish()
        #expect(traffic.failures.isEmpty, "\(traffic.failures.prefix(10)) of \(traffic.failures.count)")
        try daemon.turn { try daemon.ask(["command": "status"])["balancer"]?["sessions"] == 0 }
    }
}
