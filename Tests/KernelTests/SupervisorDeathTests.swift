// A supervisor that is killed, and what it leaves.

import Linux
import Testing
import Wire

@Suite("A supervisor that is killed", .serialized)
struct SupervisorDeathTests {
    /// Whether a process writes into this file: one of a daemon's, whoever started it.
    private func isWritten(_ path: String) -> Bool { succeeds("ls -l /proc/[0-9]*/fd/2 2>/dev/null | grep -q -- '-> \(path)$'") }

    /// Its children die of its death and see the end of their sockets at one time: whichever comes first, no successor of
    /// the balancer may go on without a supervisor.
    @Test("leaves no process behind")
    func orphans() throws {
        for _ in 0..<8 {
            let daemon = try Daemon()
            try daemon.turn { daemon.isTold("READY=1") }
            let log = "\(daemon.directory).log"
            #expect(isWritten(log))
            try daemon.send(Signals.kill)
            try daemon.turn { !isWritten(log) }
        }
    }
}
