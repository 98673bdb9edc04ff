// What happens when a part of the daemon is hurt.

import Glibc
import Linux
import Wire

extension Lab {
    /// kill -9 of `vip`.
    func killVip(_ findings: inout Findings) throws(LabError) {
        let (active, _) = try roles()
        let prober = try probe("vip")
        defer { prober.stop() }
        let moment = try active.signal(.vip, SIGKILL)
        _ = try waitForAnswer(prober, after: moment)
        try bench.pass(.seconds(2))
        findings.add("longest time without service", prober.longestGap(since: moment.before), .medianAtMost(500))
        findings.add("hosts that hold the address", Double(try holders().count), .number, .always(1))
        let answers = try network.whoAnswers(LabNetwork.virtualAddress, askedBy: client)
        findings.add("cards that answer", Double(answers.count), .number, .always(1))
    }

    /// kill -9 of the balancer, with clients that must not notice: its holder's successor has their sessions.
    func killBalancer(_ findings: inout Findings) throws(LabError) {
        var settings = ClientPool.Settings(count: 50)
        settings.name = "sticky-\(findings.all.first?.values.count ?? 0)"
        let pool = ClientPool(self, settings)
        pool.start()
        defer { pool.stop() }
        try pool.waitUntilUp(limit: .seconds(20))
        try waitUntilInSync()
        let before = pool.accepts
        let (active, _) = try roles()
        let prober = try probe("balancer")
        defer { prober.stop() }
        let moment = try active.signal(.balancer, SIGKILL)
        _ = try waitForAnswer(prober, after: moment)
        try bench.pass(.seconds(1))
        findings.add("longest time without service", prober.longestGap(since: moment.before), .medianAtMost(100))
        try pool.waitUntilUp(limit: .seconds(20))
        let back = pool.clients.indices.filter { pool.clients[$0].accepts > before[$0] }
        findings.add("clients that had to reconnect", Double(back.count), .number, .always(0))
        findings.add(
            "of them without their session", Double(back.count { !pool.clients[$0].sessionPresent }), .number,
            .always(0))
    }

    /// Every balancer is killed as soon as it is seen, until the host lets the address go.
    func crashAgainAndAgain(_ findings: inout Findings) throws(LabError) {
        let (active, standby) = try roles()
        let prober = try probe("crash-loop")
        defer { prober.stop() }
        let start = Clock.now
        var killed: Set<Int32> = []
        var moved: Duration?
        var isSaid = false
        while moved == nil || !isSaid {
            guard Clock.now - start < Self.serviceLimit else {
                throw LabError("after \(killed.count) deaths the address \(moved == nil ? "stays" : "moves, and nobody says why")")
            }
            for process in try active.processes(.balancer) where killed.insert(process).inserted { _ = kill(process, SIGKILL) }
            try bench.pass(.milliseconds(2))
            if moved == nil {
                if try standby.holdsAddress() { moved = Clock.now - start }
            } else {
                let processes = try active.status()["processes"]?.array ?? []
                let ending = processes.first { $0["role"]?.string == "balancer" }?["last_ending"]?.string
                isSaid = ending?.contains("died one after another") == true
            }
        }
        findings.add("balancers that died until the row was given up, and the status says so", Double(killed.count))
        findings.add("the other host holds the address after", moved ?? .zero, .maximumAtMost(10_000))
        try bench.pass(.seconds(2))
        findings.add("hosts that hold the address", Double(try holders().count), .number, .always(1))
        findings.add("longest time without service", prober.longestGap(since: start))
    }

    /// SIGSTOP of the balancer: it does not die, it just does nothing.
    func stopBalancer(_ findings: inout Findings) throws(LabError) {
        let (active, standby) = try roles()
        let prober = try probe("stopped")
        defer { prober.stop() }
        let moment = try active.signal(.balancer, SIGSTOP)
        findings.add("CONNECT succeeds after SIGSTOP", try waitForAnswer(prober, after: moment), .maximumAtMost(1500))
        findings.add("the other host holds the address", try standby.holdsAddress() ? 1 : 0, .number, .always(1))
        // Those that were not killed by the watchdog go on.
        for process in try active.processes(.balancer) { _ = kill(process, SIGCONT) }
        try bench.pass(.seconds(2))
        findings.add("hosts that hold the address", Double(try holders().count), .number, .always(1))
    }

    /// kill -9 of the keeper, which the service manager takes for the service.
    func killKeeper(_ findings: inout Findings) throws(LabError) {
        let (active, standby) = try roles()
        let prober = try probe("keeper")
        defer { prober.stop() }
        let moment = try active.signal(.keeper, SIGKILL)
        try active.waitUntilEnded()
        _ = try waitForAnswer(prober, after: moment)
        try waitForHolder(standby)
        _ = try bench.wait(for: Self.serviceLimit) { (try? network.processes(on: active.host))?.isEmpty == true }
        findings.add("longest time without service", prober.longestGap(since: moment.before))
        findings.add("address left behind", try active.holdsAddress() ? 1 : 0, .number, .always(0))
        findings.add("processes left behind", Double(try network.processes(on: active.host).count), .number, .always(0))
    }

    /// kill -9 of a broker with clients on all of them.
    func loseBroker(_ findings: inout Findings) throws(LabError) {
        try loseBroker(&findings) { (broker) throws(LabError) in try broker.kill() }
    }

    /// A broker's host is cut off: nothing says that it is gone but the silence.
    func silenceBroker(_ findings: inout Findings) throws(LabError) {
        try loseBroker(&findings) { (broker) throws(LabError) in _ = try network.isolate(broker.host) }
        try network.heal(brokers[0].host)
    }

    private func loseBroker(
        _ findings: inout Findings, by accident: (Broker) throws(LabError) -> Void
    ) throws(LabError) {
        var settings = ClientPool.Settings(count: 60)
        // New devices each time: those of the run before stick to the brokers that lived.
        settings.name = "broker-\(findings.all.first?.values.count ?? 0)"
        let pool = ClientPool(self, settings)
        pool.start()
        defer { pool.stop() }
        try pool.waitUntilUp(limit: .seconds(20))
        let before = pool.accepts
        let prober = try probe("broker", limit: .seconds(10))
        defer { prober.stop() }
        let start = Clock.now
        try accident(brokers[0])
        guard try bench.wait(for: Self.serviceLimit, { pool.accepts != before }) else {
            throw LabError("no client noticed that \(brokers[0].host.name) is gone")
        }
        try pool.waitUntilUp(limit: .seconds(20))
        findings.add("all clients are up again", Clock.now - start)
        try bench.pass(.seconds(1))
        try pool.waitUntilUp(limit: .seconds(20))
        findings.add(
            "clients that had to reconnect",
            Double(pool.clients.indices.count { pool.clients[$0].accepts > before[$0] }))
        try prober.finish()
        findings.add("failed new CONNECTs", Double(prober.failures.count), .number, .always(0))
        findings.add("longest time for a new CONNECT", prober.successes.map { $0.ended - $0.started }.max() ?? .zero)
        if brokers[0].program == nil { try brokers[0].start() }
    }
}
