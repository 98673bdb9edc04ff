// Secrets and certificates whose files are written while one program follows another.

import Control
import Glibc
import Linux
import TLS
import Testing
import Wire

@testable import Supervisor

@Suite("Files that change during an upgrade", .serialized)
struct UpgradingSecretTests {
    /// A good program; as the supervisor it begins with this, so that what is done happens between the old one and the new.
    private func program(_ workshop: UpgradingTests.Workshop, _ between: String) throws -> String {
        let other = try workshop.build("other")
        return try workshop.script(
            "between",
            """
            if [ "$1" = run ] && [ -z "$UNDERSTUDY_REHEARSAL" ]; then
                \(between)
            fi
            exec '\(other)' "$@"
            """)
    }

    private func upgrade(_ daemon: Daemon, _ program: String) throws -> JSON {
        try AdminClient.ask(
            "\(daemon.directory)/admin.sock", ["command": "upgrade", "program": .string(program)], patience: .seconds(60))
    }

    @Test("a certificate is proposed to the balancer that has the old one")
    func certificate() throws {
        let workshop = try UpgradingTests.Workshop()
        let made = TLSWorkshop.directory
        let daemon = try Daemon(prepare: { directory in
            try FileTree.write("\(directory)/server.pem", try File.read("\(made)/combined.pem", limit: 65_536), mode: 0o600)
            let text = String(decoding: try File.read("\(directory)/understudy.conf", limit: 65_536), as: UTF8.self)
            let file = text.replacing("use brokers", with: "use brokers; tls { certificate \(directory)/server.pem }")
            try FileTree.write("\(directory)/understudy.conf", Array(file.utf8))
        })
        try daemon.turn { daemon.isTold("READY=1") }
        let watch = CertificateWatchTests()
        #expect(try watch.shown(daemon.port) == "broker.example.com")
        let answer = try upgrade(
            daemon, try program(workshop, "cp '\(made)/other.pem' '\(daemon.directory)/server.pem'"))
        #expect(answer["ok"] == true, "\(answer.text) \(daemon.log)")
        try daemon.turn { try watch.shown(daemon.port) == "other.example.net" }
        let status = try daemon.ask(["command": "status"])
        #expect(status["certificates"]?.array?.first?["subject"] == "CN=other.example.net")
        #expect(status["certificate_reloads"] == 1 && status["certificate_problem"] == .null)
        #expect(daemon.log.contains("Files have changed that are in use"))
    }

    @Test("a pair secret waits for its restart, also in what later balancers are given")
    func pairSecret() throws {
        let workshop = try UpgradingTests.Workshop()
        let daemon = try Daemon.ofPair(port: 17947)
        try daemon.turn { daemon.isTold("READY=1") }
        let secret = try File.read("\(daemon.directory)/pair.key", limit: 4096)
        try FileTree.write("\(daemon.directory)/pair.key", PairSecret.generate().fileContents, mode: 0o600)
        let answer = try upgrade(daemon, try program(workshop, ":"))
        #expect(answer["ok"] == true, "\(answer.text) \(daemon.log)")
        let refusal = try daemon.ask(["command": "reload"])
        #expect(refusal["error"]?.string?.contains("only a restart can do this:\npair: the contents") == true, "\(refusal.text)")
        try FileTree.write("\(daemon.directory)/pair.key", secret, mode: 0o600)
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
    }

    @Test("what the children were given is in force; what they were not is read")
    func values() throws {
        let directory = "/tmp/understudy-given-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"
        try FileTree.makeDirectory(directory)
        defer { try? FileTree.remove(directory) }
        let (old, new) = (PairSecret.generate(), PairSecret.generate())
        try FileTree.write("\(directory)/pair.key", new.fileContents, mode: 0o600)
        try FileTree.write(
            "\(directory)/understudy.conf",
            Array(
                """
                node lb1 { address 127.0.0.1 }
                node lb2 { address 127.9.9.9 }
                pair { secret \(directory)/pair.key; port 17948 }
                listen m { bind 127.0.0.1:1883; use b }
                backend b { server s 127.0.0.1:9; check none }

                """.utf8))
        let read = try LoadedConfiguration(path: "\(directory)/understudy.conf", node: "lb1")
        #expect(read.pairSecret == new.fileContents && read.outdated == [] && read.problems == [])
        func goOn(_ given: [DescriptorName: [UInt8]]) throws -> LoadedConfiguration {
            try LoadedConfiguration(read.bundle, given: GivenSecrets(given))
        }
        #expect(try goOn([:]).pairSecret == new.fileContents)
        #expect(try goOn([.pairSecret: new.fileContents]).outdated == [])
        var kept = try goOn([.pairSecret: old.fileContents, .secret("other"): [1]])
        #expect(kept.outdated == ["secret/pair"] && kept.problems == [])
        #expect(try kept.pairSecret == old.fileContents && kept.ticketSecret == old.ticketSecret())
        // The file is needed by nobody who was given what it held, and by everybody else.
        try FileTree.remove("\(directory)/pair.key")
        kept = try goOn([.pairSecret: old.fileContents])
        #expect(kept.outdated == ["secret/pair"] && kept.problems.count == 1 && kept.problems[0].contains("pair.key is missing"))
        #expect(kept.pairSecret == old.fileContents)
        #expect(throws: LoadedConfiguration.Refusal.self) { try goOn([:]) }
    }
}
