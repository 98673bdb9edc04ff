// The program of the process that holds the virtual addresses.

import Control
import Linux
import Telemetry
import Wire

/// `understudy vip`, started by the supervisor and by nobody else (``ChildProcess``).
package enum VipChild {
    /// Above ordinary processes, below the kernel's own threads; 1...99.
    static let realTimePriority = 10
    /// Computing for so many microseconds without waiting once is running away.
    private static let realTimeLimit: UInt64 = 1_000_000
    /// How long a stop by signal may take.
    private static let stopLimit = Duration.seconds(1)

    /// Lives as the vip process; returns its exit status.
    ///
    /// Becomes punctual first, while it has the rights to, then keeps only what addresses and raw sockets need.
    package static func main() -> Int32 {
        do {
            return try run()
        } catch {
            let line = "understudy vip cannot start: \(error)\n"
            try? Descriptor.writeAll(2, Array(line.utf8))
            return 1
        }
    }

    private static func run() throws(Errno) -> Int32 {
        ProcessSelf.setName("understudy-vip")
        Signals.ignorePipe()
        // ^C on a terminal reaches the whole group; what is to be done about it is the supervisor's decision.
        try Signals.block([Signals.interrupt, Signals.hangUp, Signals.terminate])

        var refusals: [Errno] = []
        func isGranted(_ request: () throws(Errno) -> Void) -> Bool {
            do throws(Errno) {
                try request()
                return true
            } catch {
                refusals.append(error)
                return false
            }
        }
        let punctuality = VipProcess.Punctuality(
            isRealTime: isGranted { () throws(Errno) in
                try ResourceLimits.limitRealtime(microseconds: realTimeLimit)
                try ProcessSelf.setRealtime(priority: Int32(realTimePriority))
            },
            hasLockedMemory: isGranted { () throws(Errno) in try ProcessSelf.lockMemory() })
        // Those to change users are for the threads that start scripts and hooks.
        var rights: Set<Capability> = [.netAdmin, .netRaw, .setUser, .setGroup]
        // Where the limit of locked memory stays, the right to pass it must too: else the next allocation is refused.
        if punctuality.hasLockedMemory, (try? ResourceLimits.unlimitLockedMemory()) == nil { rights.insert(.ipcLock) }
        // The same for a real-time priority that a reload changes.
        if punctuality.isRealTime, (try? ResourceLimits.unlimitRealtimePriority()) == nil { rights.insert(.sysNice) }
        if Privileges.isRoot { try Privileges.drop(to: nil, keeping: rights) }

        let log = try Log(process: "vip", sink: .toStandardError)
        try log.start()
        defer { log.close() }
        for refusal in refusals { log.warning("Punctuality on a busy machine is not granted.", ["error": refusal]) }

        let process = try VipProcess(
            control: FileDescriptor(owning: ChildProcess.controlDescriptor), log: log, punctuality: punctuality)
        let signals = try Signals([Signals.terminate], on: process.loop) { _ in
            process.stop(by: Clock.now + stopLimit)
        }
        defer { withExtendedLifetime(signals) {} }
        return try process.run()
    }
}
