// The status pages of a whole daemon: opened by the supervisor, served by the balancer, moved by a reload.

import Glibc
import Linux
import Testing
import Wire

@testable import Supervisor

@Suite("A daemon with status pages", .serialized)
struct SupervisorStatusTests {
    private static func freePort() throws -> UInt16 {
        let socket = try Socket.listen(
            SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 1, reusePort: false)
        return try #require(Socket.localAddress(socket.number)?.port)
    }

    /// What a page says; `nil`: nobody serves it.
    private static func page(_ path: String, port: UInt16) -> String? {
        do {
            let socket = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: port))
            guard Descriptor.isWritable(socket.number, within: 20_000), Socket.error(socket.number) == 0 else { return nil }
            try Descriptor.write(socket.number, Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8).span)
            var text: [UInt8] = []
            while true {
                try Descriptor.waitReadable(socket.number, until: Clock.now + .seconds(20))
                let bytes = try Descriptor.read(socket.number, limit: 65_536)
                if bytes.isEmpty { return String(decoding: text, as: UTF8.self) }
                text += bytes
            }
        } catch {
            return nil
        }
    }

    @Test("serves them, moves them with a reload, and tells clients of MQTT in them")
    func pages() throws {
        let (first, second) = (try Self.freePort(), try Self.freePort())
        let daemon = try Daemon({ $0 + "status { bind 127.0.0.1:\(first) }\n" })
        try daemon.turn { daemon.isTold("READY=1") }
        let calm = try #require(Self.page("/stub_status", port: first))
        #expect(calm.contains("\r\n\r\nActive connections: 1 \nserver accepts handled requests\n 1 1 1 \n"))
        let client = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port))
        #expect(Descriptor.isWritable(client.number, within: 20_000))
        try daemon.turn { Self.page("/stub_status", port: first)?.contains("Active connections: 2 ") == true }
        #expect(Self.page("/", port: first)?.contains("<td>brokers</td><td>one</td>") == true)
        #expect(Self.page("/metrics", port: first)?.contains("understudy_listener_accepted_total{listener=\"mqtt\"} 1\n") == true)
        let json = try #require(Self.page("/status.json", port: first)?.split(separator: "\r\n").last)
        #expect(try JSON(parsing: Array(json.utf8).span)["listeners"]?.array?.first?["totals"]?["accepted"]?.integer == 1)

        let path = "\(daemon.directory)/understudy.conf"
        let text = String(decoding: try File.read(path, limit: 65_536), as: UTF8.self)
        try FileTree.write(path, Array(text.replacing("bind 127.0.0.1:\(first)", with: "bind 127.0.0.1:\(second)").utf8))
        let reloaded = try daemon.ask(["command": "reload"])
        #expect(reloaded["ok"]?.bool == true, "\(reloaded.text)")
        try daemon.turn { Self.page("/stub_status", port: second) != nil }
        try daemon.turn { Self.page("/stub_status", port: first) == nil }

        try FileTree.write(path, Array(text.replacing("status { bind 127.0.0.1:\(first) }", with: "").utf8))
        #expect(try daemon.ask(["command": "reload"])["ok"]?.bool == true)
        try daemon.turn { Self.page("/stub_status", port: second) == nil }
    }
}
