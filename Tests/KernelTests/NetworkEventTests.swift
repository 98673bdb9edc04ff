// What the vip process tells: a stream of events, and its history.

import Control
import Failover
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkEventTests {
    /// A subscriber's end of a connection.
    private final class Follower {
        let descriptor: FileDescriptor
        private var bytes: [UInt8] = []
        private(set) var events: [JSON] = []
        private(set) var isClosed = false

        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

        func read() {
            while let part = try? Descriptor.read(descriptor.number, limit: 65_536) {
                if part.isEmpty {
                    isClosed = true
                    break
                }
                bytes += part
            }
            while let end = bytes.firstIndex(of: 0x0A) {
                if let event = try? JSON(parsing: Array(bytes[..<end]).span) { events.append(event) }
                bytes.removeFirst(end + 1)
            }
        }

        func roles(of name: String) -> [String] {
            events.filter { $0["name"]?.string == name }.compactMap { $0["role"]?.string }
        }
    }

    private static func follow(_ host: VipHost) throws -> Follower {
        let pair = try Socket.messagePair()
        host.supervisor.send(.admin(request: ["command": "events"]), [pair.second.number])
        let own = try pair.first.duplicate()
        try Descriptor.setNonBlocking(own.number)
        return Follower(own)
    }

    @Test("a subscriber hears how it stands, then every change, then the end")
    func stream() async throws {
        try await NetworkProtocolTests.withPair("address 10.9.0.10/24; address fd09::10/64") { loop, left, right, _ in
            let follower = try Self.follow(right)
            try #require(
                try loop.waitFor {
                    follower.read()
                    return follower.events.count >= 3
                })
            #expect(follower.roles(of: "mqtt/ipv4") == ["backup"] && follower.events[0]["now"] == true)
            _ = try left.ask(["command": "step-down"])
            try #require(
                try loop.waitFor {
                    follower.read()
                    return follower.roles(of: "mqtt").last == "active"
                })
            #expect(follower.roles(of: "mqtt/ipv4") == ["backup", "claiming", "active"])
            let last = try #require(follower.events.last { $0["name"] == "mqtt/ipv4" })
            #expect(last["was"] == "claiming" && last["priority"] == 100 && last["time_us"]?.integer ?? 0 > 0)
            right.killSupervisor()
            try #require(
                try loop.waitFor {
                    follower.read()
                    return follower.isClosed
                })
            #expect(follower.roles(of: "mqtt/ipv6").last == "initialize")
        }
    }

    @Test("the same in keepalived's words, and only what it would write")
    func keepalivedLines() {
        var lines = KeepalivedLines()
        func line(_ event: String, _ name: String, _ role: String, _ why: String = "") -> String? {
            lines.line(
                of: [
                    "event": .string(event), "name": .string(name), "role": .string(role), "priority": 100,
                    "why": .string(why),
                ])
        }
        #expect(line("router", "mqtt", "backup") == "INSTANCE \"mqtt\" BACKUP 100")
        #expect(line("router", "mqtt", "claiming") == nil)
        #expect(line("router", "mqtt", "active") == "INSTANCE \"mqtt\" MASTER 100")
        #expect(line("router", "mqtt", "active") == nil)
        #expect(line("router", "mqtt", "initialize", "the interface is down") == "INSTANCE \"mqtt\" FAULT 100")
        #expect(line("router", "mqtt", "initialize", "stopped") == "INSTANCE \"mqtt\" STOP 100")
        #expect(lines.line(of: ["event": "group", "name": "g", "role": "active"]) == "GROUP \"g\" MASTER 0")
        #expect(lines.line(of: ["event": "lost", "count": 3]) == nil)
    }

    @Test("who does not read delays nobody, and there is a most of them")
    func bounds() async throws {
        try await NetworkProtocolTests.withPair("address 10.9.0.10/24") { loop, left, _, _ in
            var followers: [Follower] = []
            for _ in 0..<18 { followers.append(try Self.follow(left)) }
            try #require(try loop.waitFor { left.report()?["event_subscribers"] == 16 })
            for follower in followers.dropFirst(16) { follower.read() }
            #expect(followers.last?.events.last?["ok"] == false)
            followers.removeAll()
            try #require(try loop.waitFor { left.report()?["event_subscribers"] == 0 })
        }
    }

    @Test("the history holds adverts, changes of role and delays")
    func history() async throws {
        try await NetworkProtocolTests.withPair("address 10.9.0.10/24") { loop, left, right, _ in
            try #require(
                try loop.waitFor {
                    let router = (try? right.ask(["command": "history"]))?["routers"]?.array?.first
                    return router?["history"]?["seen"]?.integer ?? 0 > 5
                })
            let history = try #require(
                try left.ask(["command": "history", "router": "mqtt"])?["routers"]?.array?.first?["history"])
            #expect(history["sent"]?.integer ?? 0 > 5)
            #expect(history["transitions"]?.array?.last?["to"] == "active")
            #expect(history["scheduling_delay"]?["longest_us"] != nil)
            #expect(try left.ask(["command": "history", "router": "other"])?["error"] != nil)
        }
    }
}
