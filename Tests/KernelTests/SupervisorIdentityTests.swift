// Keys that client identities are hashed with: from their file through the supervisor to the balancer, and to an operator.

import Glibc
import Linux
import TLS
import Testing
import Wire

@testable import Supervisor

@Suite("A key for client identities", .serialized)
struct SupervisorIdentityTests {
    /// A CONNECT of 3.1.1 with this client ID.
    private static func connect(_ clientID: String) -> [UInt8] {
        let body =
            [0, 4] + Array("MQTT".utf8) + [4, 2, 0, 60, 0, UInt8(clientID.utf8.count)] + Array(clientID.utf8)
        return [0x10, UInt8(body.count)] + body
    }

    private static func receive(_ number: Int32, _ count: Int) throws -> [UInt8] {
        let limit = Clock.now + .seconds(20)
        var bytes: [UInt8] = []
        while bytes.count < count {
            try #require(Clock.now < limit, "no more than \(bytes.count) octets")
            try Descriptor.waitReadable(number, until: limit)
            let part = try Descriptor.read(number, limit: count - bytes.count)
            try #require(!part.isEmpty, "the end after \(bytes.count) octets")
            bytes += part
        }
        return bytes
    }

    /// A client that is let in, its server's end of it, and the client ID that one saw.
    private struct Joined: ~Copyable {
        let client: FileDescriptor
        let server: FileDescriptor
        let seen: String
    }

    private static func join(_ clientID: String, _ daemon: Daemon, _ server: Int32) throws -> Joined {
        let client = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port))
        try daemon.turn { (try? Descriptor.write(client.number, connect(clientID).span)) != nil }
        try Descriptor.waitReadable(server, until: Clock.now + .seconds(20))
        guard let arrived = try Socket.accept(server) else { throw Errno(EAGAIN, "accept") }
        let accepted = arrived.take()
        let packet = try receive(accepted.number, connect(String(repeating: "x", count: 32)).count)
        let answer: [UInt8] = [0x20, 2, 0, 0]
        try Descriptor.write(accepted.number, answer.span)
        let heard = try receive(client.number, answer.count)
        #expect(heard == answer)
        return Joined(
            client: client, server: accepted, seen: String(decoding: packet.suffix(32), as: UTF8.self))
    }

    @Test("reaches the balancer, hashes by itself, changes with a reload, and the operator finds the device")
    func hashes() throws {
        let first = PairSecret.generate()
        let second = PairSecret.generate()
        let server = try Socket.listen(
            SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 8, reusePort: false)
        let port = try #require(Socket.localAddress(server.number)?.port)
        let daemon = try Daemon { file in
            let directory = file.split(separator: " ")[3].dropLast("/admin.sock".count)
            return file.replacing("127.0.0.1:9;", with: "127.0.0.1:\(port);").replacing(
                "use brokers }",
                with: "use brokers; rewrite client-id from client-id hashed \(directory)/identity.key }")
        } prepare: { directory in
            try FileTree.write("\(directory)/identity.key", first.fileContents, mode: 0o600)
        }
        try daemon.turn { daemon.isTold("READY=1") }
        try daemon.successor()
        let device = try Self.join("device-1", daemon, server.number)
        let pseudonym = String(decoding: try IdentityKey(first).pseudonym(of: Array("device-1".utf8)), as: UTF8.self)
        let seen = device.seen
        #expect(seen == pseudonym)
        #expect(try daemon.show(["clients", "--original", "device-1"]).contains(pseudonym))
        #expect(try !daemon.show(["clients", "--original", "device-2"]).contains(pseudonym))
        #expect(try daemon.show(["clients"]).contains("device-1"))

        try FileTree.write("\(daemon.directory)/identity.key", second.fileContents, mode: 0o600)
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        let other = try Self.join("device-1", daemon, server.number)
        let later = other.seen
        #expect(
            later == String(decoding: try IdentityKey(second).pseudonym(of: Array("device-1".utf8)), as: UTF8.self))
        #expect(try daemon.show(["clients", "--original", "device-1"]).contains(pseudonym), "the first lives on")
    }

    @Test("that is missing or open to others is named before anything starts")
    func refused() throws {
        let directory = "/tmp/understudy-identity-\(ProcessSelf.pid)"
        try FileTree.makeDirectory(directory)
        defer { try? FileTree.remove(directory) }
        try FileTree.write(
            "\(directory)/understudy.conf",
            Array(
                """
                listen m { bind 127.0.0.1:1883; use b; rewrite client-id from client-id hashed \(directory)/identity.key }
                backend b { server s 127.0.0.1:9; check none }

                """.utf8))
        func refusal() -> String {
            do {
                _ = try LoadedConfiguration(path: "\(directory)/understudy.conf", node: nil)
                return "loaded"
            } catch {
                return error.description
            }
        }
        #expect(refusal().hasPrefix("the identity key \(directory)/identity.key is missing"))
        try FileTree.write("\(directory)/identity.key", PairSecret.generate().fileContents, mode: 0o644)
        #expect(refusal().contains("is open to other users"))
        File.remove("\(directory)/identity.key")
        try FileTree.write("\(directory)/identity.key", Array("secret".utf8), mode: 0o600)
        #expect(refusal().contains("understudy keygen writes one"))
    }
}
