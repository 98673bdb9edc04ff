// The first moments of a balancer: whom it becomes, what it may ask of the kernel, and whose place it takes.

import Configuration
import Control
import Linux
import TLS
import Telemetry

extension BalancerProcess {
    /// Runs the process until the supervisor says stop or is gone.
    ///
    /// - Returns: the exit status.
    package static func run() -> Int32 {
        // A client that is gone is an error of a call, not the end of the process.
        Signals.ignorePipe()
        do throws(Errno) {
            try dropPrivileges()
            let filterRefusal = filter()
            warmUp()
            let survival = try follow()
            // In each process of the row, before anything else is opened: the number would be somebody else's.
            let isSupervised = Socket.isSocket(ChildProcess.controlDescriptor)
            guard isSupervised else {
                // The predecessor had seen the end of the supervisor, and died before it could say so.
                survival.end()
                return 0
            }
            let log = try Log(process: "balancer", sink: .toStandardError)
            try log.start()
            defer { log.close() }
            if let filterRefusal {
                log.warning("system calls are not filtered", ["error": "\(filterRefusal)"])
            }
            if !survival.isHeld { log.error(noHolder) }
            do throws(Errno) {
                let process = try BalancerProcess(log: log, survival: survival)
                try process.loop.run()
                survival.end()
                return 0
            } catch {
                log.error("The balancer cannot run.", ["error": "\(error)"])
                // A successor dies of a shortage: the next one may have what it takes.
                if !survival.isSuccessor || !error.isOwnShortage { survival.end() }
                return 1
            }
        } catch {
            try? Descriptor.writeAll(2, Array("understudy balancer: \(error)\n".utf8))
            return 1
        }
    }

    /// Does once what each successor would do for the first time while clients wait: its memory is a copy of this process's.
    ///
    /// OpenSSL looks up its ciphers, and the runtime of Swift the types of the configuration's values.
    private static func warmUp() {
        _ = try? RecordCipher()
        let text = """
            listen warm { bind 127.0.0.1:1; use up }
            backend up { server one 127.0.0.1:2; check none; stick on client-id table sessions }
            stick-table sessions { key client-id }
            """
        _ = Checker.check(Source(name: "warm-up", text: text), as: .init())
    }

    /// Becomes the user the supervisor names, and keeps no right: every socket it needs is handed to it.
    private static func dropPrivileges() throws(Errno) {
        try ResourceLimits.forbidCore()
        // For the one thread that the supervisor lets come before others. A limit is lowered without a right.
        try ResourceLimits.limitRealtime(microseconds: Heartbeat.computingLimit)
        // A successor is what its predecessor was; its parent is a holder, whose end is no reason to die.
        guard ProcessSelf.environment(SurvivalState.variable) == nil else {
            // To be a program anew made it open to debuggers of its user.
            try Privileges.forbidNew()
            return
        }
        // For the keys of TLS sessions, which must never be swapped out; without the right to it the limit stays.
        if Privileges.isRoot { try? ResourceLimits.unlimitLockedMemory() }
        var user: User?
        if Privileges.isRoot, let name = ProcessSelf.environment(ChildProcess.userVariable) {
            user = try User.named(name)
        }
        try Privileges.drop(to: user, keeping: [])
    }

    /// Bounds what this process, its holder and its successors may ask the kernel for.
    ///
    /// - Returns: why not; `nil`: it is bounded.
    private static func filter() -> Errno? {
        // A successor was born under it; a second one would be a second look at every call.
        guard ProcessSelf.environment(SurvivalState.variable) == nil else { return nil }
        do throws(Errno) {
            try SystemCallFilter.balancer.install()
            return nil
        } catch {
            return error
        }
    }
}
