// Certificates that are replaced under a running daemon.

import Linux
import TLS
import Testing
import Wire

@testable import Supervisor

@Suite("Certificates on the disk", .serialized)
struct CertificateWatchTests {
    private func stamp(_ text: String) throws -> File.Stamp? {
        let path = "/tmp/understudy-stamp-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"
        try FileTree.write(path, Array(text.utf8))
        defer { File.remove(path) }
        return File.stamp(path)
    }

    @Test func `are read again when they have changed and come to rest`() throws {
        let (a, b, c) = (try stamp("a"), try stamp("b"), try stamp("c"))
        var watch = CertificateWatch(["/a": a])
        func looks(_ stamps: [File.Stamp?]) -> [Bool] { stamps.map { watch.observe(["/a": $0]) } }
        // While somebody writes, every look is another.
        #expect(looks([a, b, c, nil, c]) == [false, false, false, false, false])
        #expect(looks([c, c]) == [true, false])
        watch.refused("broken")
        #expect(watch.problem == "broken" && watch.reloads == 0)
        // Once is enough for a bad one; the next change is looked at anew.
        #expect(looks([c, b, b]) == [false, false, true])
        watch.committed(["/a": b])
        #expect(watch.problem == nil && watch.reloads == 1)
        #expect(looks([b, b]) == [false, false])
    }

    @Test func `of another reload count for nothing here`() throws {
        var watch = CertificateWatch([:])
        watch.refused("the operator's mistake")
        #expect(watch.problem == nil)
        watch.committed([:])
        #expect(watch.reloads == 0)
    }

    /// The name in the certificate a new client is shown.
    func shown(_ port: UInt16) throws -> String? {
        let socket = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: port))
        let session = try TLSSession(TLSWorkshop.context(backend: "verify none"))
        try carry(session, socket.number) { session.state == .established }
        return session.facts?.certificate?.commonName
    }

    /// Carries bytes between a session and its socket until something has come about.
    private func carry(_ session: TLSSession, _ socket: Int32, until done: () throws -> Bool) throws {
        let limit = Clock.now + .seconds(20)
        while true {
            try? Descriptor.writeAll(socket, session.takeCiphertext(limit: 1 << 20))
            if try done() { return }
            try #require(Clock.now < limit, "\(session.state)")
            try? Descriptor.waitReadable(socket, until: Clock.now + .milliseconds(100))
            // Nothing there yet is no error; what is wrong with a session shows in its state.
            guard let bytes = try? Descriptor.read(socket, limit: 65_536), !bytes.isEmpty else { continue }
            try session.receive(bytes.span)
        }
    }

    @Test func `are taken up by a running daemon, and bad ones are not`() throws {
        let made = TLSWorkshop.directory
        func copy(_ name: String, to path: String) throws {
            try FileTree.write(path, try File.read("\(made)/\(name)", limit: 65_536), mode: 0o600)
        }
        let daemon = try Daemon(prepare: { directory in
            try copy("combined.pem", to: "\(directory)/server.pem")
            let text = String(decoding: try File.read("\(directory)/understudy.conf", limit: 65_536), as: UTF8.self)
            let tls = "tls { certificate \(directory)/server.pem; client-ca \(made)/root.crt; client-certificate none }"
            let file = text.replacing("use brokers", with: "use brokers; timeout connect 200s; \(tls)")
            try FileTree.write("\(directory)/understudy.conf", Array(file.utf8))
        })
        try daemon.turn { daemon.isTold("READY=1") }
        func status() throws -> JSON { try daemon.ask(["command": "status"]) }
        func subject() throws -> String? { try status()["certificates"]?.array?.first?["subject"]?.string }
        #expect(try subject() == "CN=broker.example.com,O=Example")
        #expect(try status()["certificates"]?.array?.first?["block"]?.string == "listen mqtt")
        #expect(try status()["certificates"]?.array?.first?["days_left"]?.integer ?? 0 > 1000)
        let balancer = try daemon.balancer()["pid"]?.integer
        let path = "\(daemon.directory)/server.pem"

        // A session that lives through all of this.
        let living = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port))
        let session = try TLSSession(TLSWorkshop.context(backend: "verify none"))
        try carry(session, living.number) { session.state == .established }
        #expect(session.facts?.certificate?.commonName == "broker.example.com")
        #expect(try shown(daemon.port) == "broker.example.com")

        // Half of a file: the old one stays.
        try FileTree.write(path, Array(try File.read("\(made)/other.pem", limit: 65_536).prefix(200)), mode: 0o600)
        try daemon.turn { try status()["certificate_problem"]?.string != nil }
        #expect(try status()["certificate_problem"]?.string?.contains("has no certificate") == true)
        #expect(try subject() == "CN=broker.example.com,O=Example")

        // The whole of it: taken up, by the same balancer.
        try copy("other.pem", to: path)
        try daemon.turn { try subject() == "CN=other.example.net" }
        #expect(try status()["certificate_problem"] == .null)
        #expect(try status()["certificate_reloads"]?.integer == 1)
        #expect(try daemon.balancer()["pid"]?.integer == balancer)
        #expect(try shown(daemon.port) == "other.example.net")
        // The old session is still served: it is answered, which takes a CONNECT and the lack of any server.
        let connect: [UInt8] = [0x10, 0x0D, 0, 4] + Array("MQTT".utf8) + [4, 2, 0, 60, 0, 1, 0x61]
        try session.write(connect.span)
        var answer: [UInt8] = []
        try carry(session, living.number) {
            answer += try session.readPlaintext()
            return answer.count >= 4
        }
        #expect(answer.prefix(2) == [0x20, 2])
        #expect(daemon.log.contains("Certificates were replaced on the disk."))
        #expect(daemon.log.contains("New certificates are not taken; the old ones stay in use."))

        // One that has expired is no replacement.
        try FileTree.write(
            path,
            try File.read("\(made)/expired.crt", limit: 65_536) + File.read("\(made)/expired.key", limit: 65_536),
            mode: 0o600)
        try daemon.turn { try status()["certificate_problem"]?.string?.contains("not valid at this time") == true }
        #expect(try subject() == "CN=other.example.net")
        _ = try daemon.ask(["command": "stop"])
        try daemon.turn { daemon.ending != nil }
    }
}
