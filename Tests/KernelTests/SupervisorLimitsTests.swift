// Lists of networks and log targets of the whole daemon: read by the supervisor, changed by a reload.

import Glibc
import Linux
import Testing
import Wire

@testable import Supervisor

@Suite("A daemon with limits and a session log", .serialized)
struct SupervisorLimitsTests {
    /// CONNECT of MQTT 3.1.1, clean session, client ID `a`.
    private static let connect: [UInt8] = [0x10, 13, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x61]
    /// No server takes the client: it was let in.
    private static let noServer: [UInt8] = [0x20, 2, 0, 3]
    private static let banned: [UInt8] = [0x20, 2, 0, 5]

    /// What a client hears that connects and sends its CONNECT.
    private func answer(of daemon: Daemon) throws -> [UInt8] {
        let socket = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port))
        #expect(Descriptor.isWritable(socket.number, within: 20_000))
        try Descriptor.write(socket.number, Self.connect.span)
        try Descriptor.waitReadable(socket.number, until: Clock.now + .seconds(20))
        return try Descriptor.read(socket.number, limit: 100)
    }

    @Test("keeps out who a file lists, and reads the file again with a reload")
    func lists() throws {
        let daemon = try Daemon({
            $0.replacing("use brokers }", with: "use brokers; access deny file lists/blocked.txt }")
        }) { directory in
            try FileTree.makeDirectory("\(directory)/lists")
            try FileTree.write("\(directory)/lists/blocked.txt", Array("10.0.0.0/8\n127.0.0.0/8 # us\n".utf8))
        }
        try daemon.turn { daemon.isTold("READY=1") }
        #expect(try answer(of: daemon) == Self.banned)
        let status = try daemon.ask(["command": "status"])
        #expect(status["balancer"]?["counters"]?["access-denied"]?.integer == 1)
        #expect(try daemon.show(["status"]).contains("clients kept out by access rules: 1"))

        try FileTree.write("\(daemon.directory)/lists/blocked.txt", Array("10.0.0.0/8\n".utf8))
        let reloaded = try daemon.ask(["command": "reload"])
        #expect(
            reloaded["changes"] == [
                "listen mqtt: lists/blocked.txt lists 0 networks more and 1 fewer than before (applies to new sessions)"
            ])
        try daemon.turn { try answer(of: daemon) == Self.noServer }

        try FileTree.write("\(daemon.directory)/lists/blocked.txt", Array("10.0.0.0/8\nnobody\n".utf8))
        let refusal = try daemon.ask(["command": "reload"])
        #expect(refusal["ok"] == false)
        #expect(refusal["error"]?.string?.contains("lists/blocked.txt:2:1: error: \"nobody\" is not an IP address") == true)
        #expect(try answer(of: daemon) == Self.noServer)
    }

    @Test("sends session records where a reload says")
    func targets() throws {
        let server = try DatagramSocket.receiver(at: SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0))
        let port = try #require(Socket.localAddress(server.number)?.port)
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        #expect(try answer(of: daemon) == Self.noServer)
        try daemon.write(
            daemon.file + "log { to stderr; to syslog 127.0.0.1:\(port) facility local3; sessions end; session-format json }\n")
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        var records: [String] = []
        // Loops take the new configuration in their own time.
        try daemon.turn {
            _ = try answer(of: daemon)
            while let bytes = try? Descriptor.read(server.number, limit: 65_536) {
                records.append(String(decoding: bytes, as: UTF8.self))
            }
            return records.contains { $0.contains("understudy-balancer[") && $0.contains("\"client_id\":\"a\"") }
        }
        let record = try #require(records.first { $0.contains("\"client_id\":\"a\"") })
        #expect(record.hasPrefix("<158>"))
        #expect(record.contains("\"cause\":\"no-server\",\"termination\":\"SC\""))
        // All processes go there, and standard error has them too.
        try daemon.turn {
            while let bytes = try? Descriptor.read(server.number, limit: 65_536) {
                records.append(String(decoding: bytes, as: UTF8.self))
            }
            return records.contains { $0.contains("understudy-supervisor[") }
        }
        try daemon.turn { daemon.log.contains("\"client_id\":\"a\"") }
        try daemon.write(daemon.file.replacing("sessions end", with: "sessions off"))
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
    }
}
