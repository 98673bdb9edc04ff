// The admin socket of the whole daemon, asked by people who are slow, many, careless or in another's service.

import Glibc
import Linux
import Testing
import Wire

@testable import Supervisor

@Suite("An operator", .serialized)
struct SupervisorOperatorTests {
    /// Sends a request and leaves the answer unread.
    private func ask(_ daemon: Daemon, _ request: JSON) throws -> FileDescriptor {
        let socket = try UnixSocket.connect(path: "\(daemon.directory)/admin.sock")
        try UnixSocket.send(socket.number, Array((request.text + "\n").utf8))
        return socket
    }

    /// Everything that is answered, to the end.
    private func answer(_ number: Int32) throws -> String {
        let limit = Clock.now + .seconds(20)
        var bytes: [UInt8] = []
        while true {
            try #require(Clock.now < limit, "no end after \(bytes.count) octets")
            try Descriptor.waitReadable(number, until: limit)
            let part = try Descriptor.read(number, limit: 1 << 20)
            if part.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += part
        }
    }

    @Test("who asks with a pipe, and so has closed it by then, is answered")
    func pipe() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let socket = try ask(daemon, ["command": "status"])
        Socket.shutdownWrite(socket.number)
        let answer = try answer(socket.number)
        #expect(answer.hasPrefix("{\"ok\":true"))
    }

    /// A hundred ask the same and read nothing while `body` looks.
    private func crowd(_ daemon: Daemon, _ command: JSON, _ body: () throws -> Void) throws {
        var waiting: [Int32] = []
        defer { waiting.forEach(Descriptor.close) }
        for _ in 0..<100 {
            let socket = try ask(daemon, command)
            waiting.append(socket.release())
            // One request is handed over before the next comes: the supervisor itself keeps a bounded number.
            _ = try daemon.balancer()
        }
        try body()
    }

    @Test("a hundred who want everything and read nothing get a bounded part of the daemon, and delay nobody")
    func slowReaders() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        // Enough that no socket buffer holds the whole answer.
        let name = String(repeating: "x", count: 1000)
        for number in 0..<600 {
            let answer = try daemon.ask(
                ["command": "table", "table": "sessions", "key": .string("\(number)-\(name)"), "set": "one"])
            #expect(answer["ok"] == true)
        }
        let pid = try #require(try daemon.balancer()["pid"]?.integer)
        let before = try FileTree.list("/proc/\(pid)/fd").count
        for command: JSON in [["command": "table", "table": "sessions"], ["command": "clients"]] {
            try crowd(daemon, command) { () throws in
                #expect(try FileTree.list("/proc/\(pid)/fd").count <= before + 9)
                #expect(try daemon.ask(["command": "status"])["ok"] == true)
            }
            // Who is gone makes room.
            try daemon.turn { try FileTree.list("/proc/\(pid)/fd").count <= before }
        }
        let status = try daemon.ask(["command": "status"])
        #expect(status["balancer"]?["answers_refused"]?.integer == 92)
        let socket = try ask(daemon, ["command": "table", "table": "sessions"])
        #expect(try answer(socket.number).split(separator: "\n").count == 601)
        #expect(try daemon.balancer()["restarts"] == 0)
    }

    @Test("a client's name neither steers the terminal nor breaks the answer")
    func hostileNames() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let name = "a\"\\\u{1B}[2J\u{9B}31m\u{7F}\u{202E}\u{2066}\u{2028}é\u{1F600}"
        #expect(
            try daemon.ask(["command": "table", "table": "sessions", "key": .string(name), "set": "one"])["ok"] == true)
        let socket = try ask(daemon, ["command": "table", "table": "sessions"])
        let line = try #require(try answer(socket.number).split(separator: "\n").first)
        #expect(line.unicodeScalars.allSatisfy { !$0.steersTerminals })
        #expect(try JSON(parsing: String(line))["key"]?.string == name)
        for options in [[], ["--json"]] {
            let shown = try daemon.show(["table", "sessions"] + options)
            #expect(shown.contains("é\u{1F600}"))
            #expect(shown.unicodeScalars.allSatisfy { $0 == "\n" || !$0.steersTerminals })
        }
    }
}
