// Every kind of change in one daemon, one after the other, while bytes flow through its sessions.

import Glibc
import Linux
import Testing
import Wire

@Suite("A reload under live sessions", .serialized)
struct ReloadUnderLoadTests {
    /// What is changed, and a word of the difference that is told.
    private static let changes: [(change: @Sendable (String) -> String, told: String)] = [
        ({ $0 + "listen second { bind 127.0.0.3:PORT; use brokers }\n" }, "listen second: added"),
        ({ $0.replacing("127.0.0.3:PORT", with: "127.0.0.4:PORT") }, "listen second: bind"),
        ({ $0 + "backend other { server o 127.0.0.1:10; check none }\n" }, "backend other: added"),
        ({ $0.replacing("127.0.0.4:PORT; use brokers", with: "127.0.0.4:PORT; use other") }, "listen second: use"),
        ({ $0.replacing("server one", with: "server two 127.0.0.1:11; server one") }, "server two added"),
        ({ $0.replacing("server one 127.0.0.1:BROKER", with: "server one 127.0.0.1:BROKER weight 7") }, "weight 7"),
        ({ $0.replacing("check none }\nstick", with: "check tcp every 1s }\nstick") }, "check"),
        ({ $0.replacing("size 1000", with: "size 1000; expire 9m") }, "expire"),
        ({ $0.replacing("127.0.0.1:PORT; use brokers", with: "127.0.0.1:PORT; use brokers; limit connections 500") }, "limit connections"),
        ({ $0 + "limit sessions 900\n" }, "limit sessions"),
        ({ $0.replacing("limit sessions 900", with: "limit sessions 5000") }, "limit sessions"),
        ({ $0 + "log { level debug }\n" }, "level"),
        ({ $0 + "drain { rate 100/s; deadline 5s }\n" }, "rate"),
        ({ $0.replacing("server two 127.0.0.1:11; ", with: "") }, "server two removed"),
        ({ $0.replacing("stick on client-id table sessions; ", with: "") }, "stick"),
        ({ text in
            text.split(separator: "\n").filter { !$0.hasPrefix("stick-table") }.joined(separator: "\n") + "\n"
        }, "stick-table sessions: removed"),
        // The server the sessions are on, and the listener they came by: both keep what they have.
        ({ $0.replacing("server one 127.0.0.1:BROKER weight 7", with: "server three 127.0.0.1:BROKER") }, "server three added"),
        ({ $0.replacing("listen mqtt ", with: "listen renamed ") }, "listen mqtt: removed"),
    ]

    @Test("changes each kind of thing, tells what changed, and touches no session")
    func everything() throws {
        let (broker, traffic, daemon) = try SuccessionTests.underTraffic(seed: 21, sessions: 12)
        let pids = try daemon.processes()
        var text = daemon.file.replacing("127.0.0.1:\(traffic.port)", with: "127.0.0.1:BROKER")
            .replacing("127.0.0.1:\(daemon.port)", with: "127.0.0.1:PORT")
        for (change, told) in Self.changes {
            let next = change(text)
            #expect(next != text, "no change: \(told)")
            text = next
            try daemon.write(
                text.replacing("BROKER", with: "\(traffic.port)").replacing("PORT", with: "\(daemon.port)"))
            let answer = try daemon.ask(["command": "reload"])
            #expect(answer["ok"] == true, "\(told): \(answer.text)")
            let changes = answer["changes"]?.array?.compactMap(\.string) ?? []
            #expect(changes.contains { $0.contains(told) }, "\(told): \(changes)")
            for _ in 0..<20 { try broker.turn(limit: .milliseconds(3)) }
            try traffic.begin(isSmall: false)
        }
        // Two steps: what cannot be had changes nothing.
        let generation = try daemon.ask(["command": "status"])["generation"]
        try daemon.write(
            text.replacing("BROKER", with: "\(traffic.port)").replacing("PORT", with: "\(daemon.port)")
                + "listen taken { bind 127.0.0.1:\(traffic.port); use other }\n")
        let refusal = try daemon.ask(["command": "reload"])
        #expect(refusal["ok"] == false, "\(refusal.text)")
        #expect(try daemon.ask(["command": "status"])["generation"] == generation)
        #expect(try daemon.processes() == pids)
        #expect(try daemon.balancer()["restarts"] == 0)
        try traffic.finish()
        #expect(traffic.failures.isEmpty, "\(traffic.failures.prefix(5)) of \(traffic.failures.count)")
        #expect(traffic.sessions.count == 12 + Self.changes.count)
    }

    @Test("takes the number of sessions up and down, and refuses more than there is room for")
    func sessions() throws {
        let broker = try EventLoop()
        let traffic = try SuccessionTraffic(on: broker, seed: 22)
        let port = traffic.port
        let daemon = try Daemon {
            $0.replacing("127.0.0.1:9;", with: "127.0.0.1:\(port);").replacing("loops 2", with: "loops 1")
                + "limit sessions 3\n"
        }
        try daemon.turn { daemon.isTold("READY=1") }
        traffic.target = daemon.port
        for _ in 0..<3 { try traffic.begin(isSmall: false) }
        func refused() throws -> Int64 {
            try daemon.ask(["command": "status"])["balancer"]?["counters"]?["limit-sessions"]?.integer ?? 0
        }
        func knock() throws {
            let before = try refused()
            let socket = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port))
            try daemon.turn { try refused() > before }
            _ = consume socket
        }
        try knock()
        try daemon.write(daemon.file.replacing("limit sessions 3", with: "limit sessions 5"))
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        for _ in 0..<2 { try traffic.begin(isSmall: false) }
        try knock()
        try daemon.write(daemon.file.replacing("limit sessions 5", with: "limit sessions 2"))
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        try knock()
        try daemon.write(daemon.file.replacing("limit sessions 2", with: "limit sessions 9000000"))
        let answer = try daemon.ask(["command": "reload"])
        #expect(answer["error"]?.string?.contains("has room for") == true, "\(answer.text)")
        try traffic.finish()
        #expect(traffic.failures.isEmpty, "\(traffic.failures)")
    }
}
