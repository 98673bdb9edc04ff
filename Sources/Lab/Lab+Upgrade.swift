// What happens when the supervisor dies, or becomes another program, while clients must not notice.

import Glibc
import Linux
import Wire

extension Lab {
    /// Clients that must not notice what is done, and what they noticed.
    private func unnoticed(
        _ name: String, gap: Double = 100, _ findings: inout Findings, _ act: (Proxy, Proxy) throws(LabError) -> Moment
    ) throws(LabError) {
        var settings = ClientPool.Settings(count: 50)
        settings.name = "\(name)-\(findings.all.first?.values.count ?? 0)"
        let pool = ClientPool(self, settings)
        pool.start()
        defer { pool.stop() }
        try pool.waitUntilUp(limit: .seconds(20))
        try waitUntilInSync()
        let before = pool.accepts
        let (active, standby) = try roles()
        let prober = try probe(name)
        defer { prober.stop() }
        let moment = try act(active, standby)
        _ = try waitForAnswer(prober, after: moment)
        try bench.pass(.seconds(2))
        findings.add("longest time without service", prober.longestGap(since: moment.before), .medianAtMost(gap))
        let back = pool.clients.indices.filter { pool.clients[$0].accepts > before[$0] }
        findings.add("clients that had to reconnect", Double(back.count), .number, .always(0))
        findings.add("the address has moved", try active.holdsAddress() ? 0 : 1, .number, .always(0))
        findings.add("hosts that hold the address", Double(try holders().count), .number, .always(1))
    }

    /// kill -9 of the supervisor: another one goes on.
    func killSupervisor(_ findings: inout Findings) throws(LabError) {
        try unnoticed("supervisor", &findings) { (active, _) throws(LabError) in
            let former = try active.processes(.supervisor)
            let moment = try active.signal(.supervisor, SIGKILL)
            let isFollowed = try bench.wait(for: Self.serviceLimit) {
                guard let found = try? active.processes(.supervisor) else { return false }
                return found.count == 1 && found != former
            }
            guard isFollowed else { throw LabError("no supervisor follows the one that was killed") }
            return moment
        }
    }

    /// Both hosts become another program, the active one first.
    func upgradePair(_ findings: inout Findings) throws(LabError) {
        let run = findings.all.first?.values.count ?? 0
        let program = "\(bench.directory)/upgrade-\(run)/understudy"
        try bench.succeed(["install", "-D", "-m", "755", settings.program, program])
        // Below the time after which `vip` gives up the address: two balancers and two `vip` are replaced.
        try unnoticed("upgrade", gap: 300, &findings) { (active, standby) throws(LabError) in
            let start = Clock.now
            for host in [active, standby] {
                let answer = try host.command(["upgrade", program])
                guard answer.ending.isClean else { throw LabError("the upgrade on \(host.host.name): \(answer.output)") }
                let processes = try network.processes(on: host.host)
                for process in processes where FileTree.target("/proc/\(process)/exe") != program {
                    throw LabError("process \(process) on \(host.host.name) is still the former program")
                }
            }
            return Moment(before: start, after: Clock.now)
        }
    }
}
