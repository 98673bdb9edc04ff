// A program that cannot take over what is there: it follows after a drain, or not, and nobody is told otherwise.

import Glibc
import Linux
import Testing
import Wire

@Suite("Upgrading after a drain", .serialized)
struct UpgradingDrainTests {
    /// A program of another layout, which is another build as anything else.
    ///
    /// - Parameter last: what it does after it has said what it is.
    static func program(_ workshop: UpgradingTests.Workshop, last: String = "") throws -> String {
        let other = try workshop.build("other")
        return try workshop.script(
            "layout",
            """
            if [ "$1" = layout ]; then
                "$REAL" "$@" | sed 's/"sessions":"[0-9a-f]*"/"sessions":"7"/; s/"version":"[^"]*"/"version":"9.9"/'
                \(last)
                exit
            fi
            exec '\(other)' "$@"
            """)
    }

    @Test("the command ends well when the new program serves")
    func whole() throws {
        let workshop = try UpgradingTests.Workshop()
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let pids = try daemon.processes()
        let shown = try daemon.show(["upgrade", try Self.program(workshop), "--drain"])
        #expect(shown.contains("draining; version 9.9 starts within"), "\(shown)")
        #expect(shown.hasSuffix("version 9.9 serves\n"), "\(shown) \(daemon.log)")
        #expect(try daemon.processes()[0] == pids[0])
        #expect(FileTree.target("/proc/\(pids[0])/exe") == "\(workshop.directory)/other")
    }

    @Test("a program that is gone by then leaves the known one serving, and both say so")
    func gone() throws {
        let workshop = try UpgradingTests.Workshop()
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let pid = try daemon.processes()[0]
        let shown = try daemon.show(["upgrade", try Self.program(workshop, last: "rm -f \"$0\""), "--drain"])
        #expect(shown.contains("the new program does not start: execve"), "\(shown) \(daemon.log)")
        #expect(!shown.contains("serves\n") || shown.contains("the known one serves again"))
        try daemon.successor()
        #expect(try daemon.processes()[0] == pid)
        #expect(try daemon.ask(["command": "status"])["upgrade_problem"]?.string?.contains("No such file") == true)
        #expect(daemon.log.contains("The new program does not start; the known one serves again."))
        #expect(try daemon.accepts())
    }

    @Test("a stop during the drain is a stop: nothing follows")
    func stopped() throws {
        let workshop = try UpgradingTests.Workshop()
        let scene = try UpgradingTests.Scene(sessions: 6, lines: "drain { rate 1/s; deadline 5m }\n")
        let answer = try scene.upgrade(try Self.program(workshop), drain: true)
        #expect(answer["draining"] == true, "\(answer.text)")
        #expect(answer["within_ms"]?.integer ?? 0 >= 300_000)
        let status = try scene.daemon.ask(["command": "status"])
        #expect(status["stopping"] == true && status["upgrading"] == "draining")
        #expect(!scene.daemon.isTold("STOPPING=1"))
        try scene.daemon.send(Signals.terminate)
        try scene.daemon.turn { scene.daemon.isTold("STOPPING=1") }
        // A first order to stop drains on; the second one waits for nobody.
        #expect(try scene.daemon.ask(["command": "status"])["upgrading"] == .null)
        try scene.daemon.send(Signals.terminate)
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            return scene.daemon.ending != nil
        }
        #expect(scene.daemon.ending == .exited(0))
        #expect(scene.daemon.log.contains("The daemon stops; the new program does not start."))
        #expect(!scene.daemon.log.contains("Ready.\n") || scene.daemon.told.count { $0.hasPrefix("READY=1") } == 1)
    }
}
