// What the operator's commands say of a virtual router, asked of a whole daemon through the real command line.

import Glibc
import Linux
import Supervisor
import TLS
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct VrrpCommandTests {
    /// Where the pair's secret is: only root may write beside it.
    private static let folder = "/run/understudy-test-\(ProcessSelf.pid)"

    /// A daemon that holds 10.9.0.10, alone on its link. The secret is gone when it serves: it is read once.
    private static func active() throws -> Daemon {
        defer { try? FileTree.remove(folder) }
        let daemon = try Daemon({ file in
            """
            user nobody
            node left { address 10.9.0.1; priority 150 }
            node right { address 10.9.0.2; priority 100 }
            pair { secret \(folder)/pair.key }
            vrrp mqtt { interface left; router-id 51; address 10.9.0.10/24; without-servers ignored }

            """ + file
        }) { _ in
            try shell("mkdir -p -m 755 \(folder)")
            let key = "\(folder)/pair.key"
            try shell("rm -f \(key)")
            var generator = SystemRandomNumberGenerator()
            let digits = (0..<32).map { _ in String(UInt8.random(in: 16 ... 255, using: &generator), radix: 16) }
            try FileTree.write(key, Array("\(PairSecret.word) \(digits.joined())\n".utf8), mode: 0o600)
        }
        // The word stands in other places of the status as well.
        try daemon.turn {
            guard daemon.isTold("READY=1") else { return false }
            return try daemon.ask(["command": "status"])["vip"]?["routers"]?.array?.first?["state"] == "active"
        }
        return daemon
    }

    @Test("status, vrrp history and its JSON tell who holds the address, since when and why")
    func history() async throws {
        try await NetworkPair.run { _ in
            let daemon = try Self.active()
            let status = try daemon.show(["status"])
            #expect(status.contains("10.9.0.10"), "\(status)")
            try daemon.turn { try daemon.show(["vrrp", "history", "mqtt"]).contains("second by second:") }
            let text = try daemon.show(["vrrp", "history"])
            #expect(text.hasPrefix("vrrp mqtt: "), "\(text)")
            for words in ["adverts sent, 0 seen, 0 refused", "changes of role:", "claiming", "this process was late by"] {
                #expect(text.contains(words), "\(words): \(text)")
            }
            let json = try JSON(parsing: daemon.show(["vrrp", "history", "mqtt", "--json"]))
            let history = try #require(json["routers"]?.array?.first?["history"])
            #expect(history["sent"]?.integer ?? 0 > 0 && history["seen"] == 0)
            let changes = try #require(history["transitions"]?.array).compactMap { $0["to"]?.string }
            #expect(changes == ["backup", "claiming", "active"])
            #expect(try daemon.show(["vrrp", "history", "other"]).contains("other"))
            #expect(try daemon.show(["vrrp", "future"]).contains("there is: history"))
        }
    }

    @Test("events begin with how everything stands and go on with what happens, in both forms; the daemon's end ends them")
    func events() async throws {
        try await NetworkPair.run { _ in
            let daemon = try Self.active()
            let plain = try Follower(daemon, ["events"])
            let lines = try Follower(daemon, ["events", "--keepalived"])
            try daemon.turn { plain.text.contains("\"active\"") && lines.text.contains("MASTER") }
            #expect(lines.text == "INSTANCE \"mqtt\" MASTER 150\n")
            _ = try daemon.show(["step-down", "--for", "1s", "--force"])
            try daemon.turn { plain.text.contains("the operator asked for it") && lines.text.contains("BACKUP") }
            // Nobody else is there: it comes back.
            try daemon.turn { lines.text.split(separator: "\n").count >= 3 }
            #expect(
                lines.text.split(separator: "\n").prefix(3) == [
                    "INSTANCE \"mqtt\" MASTER 150", "INSTANCE \"mqtt\" BACKUP 150", "INSTANCE \"mqtt\" MASTER 150",
                ])
            for line in plain.text.split(separator: "\n") {
                let event = try JSON(parsing: String(line))
                #expect(event["name"] == "mqtt", "\(line)")
            }
            try daemon.send(SIGTERM)
            try daemon.turn { plain.ending != nil && lines.ending != nil }
            #expect(plain.ending == .exited(1) && plain.text.hasSuffix("understudy: the daemon has ended\n"))
        }
    }

    /// A command that goes on, and what it has written.
    private final class Follower {
        private let path: String
        private let process: Linux.Process

        init(_ daemon: Daemon, _ arguments: [String]) throws {
            path = "\(daemon.directory).follower-\(UInt32.random(in: 0 ... .max))"
            let file = try FileTree.open(path, O_WRONLY | O_CREAT | O_TRUNC)
            var launch = Linux.Process.Launch(
                path: Daemon.program, arguments: ["understudy"] + arguments + ["--socket", "\(daemon.directory)/admin.sock"],
                environment: ["PATH=/usr/bin:/bin"])
            launch.descriptors = [1: file.number, 2: file.number]
            process = try Linux.Process(launch)
        }

        deinit {
            process.finish()
            File.remove(path)
        }

        var text: String { (try? File.read(path, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
        var ending: Linux.Process.Ending? { process.reap() }
    }
}
