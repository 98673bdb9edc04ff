// What happens when the active host is lost: its link, its daemon, or by the operator's wish.

import Glibc
import Linux
import Wire

extension Lab {
    /// After an accident, somebody must serve within this time, or the run has failed.
    static let serviceLimit: Duration = .seconds(8)

    /// The longest a step-down may last when nothing else was said.
    static let stepDownLimit: Duration = .seconds(60)

    /// The longest time two hosts may hold the address after a heal.
    var overlapBound: Double { settings.advertInterval.milliseconds + 100 }

    /// Brings the pair back to health after an accident: both daemons run, one holds the address, clients are served.
    package func settle() throws(LabError) {
        for proxy in proxies {
            try network.heal(proxy.host)
            if proxy.program == nil { try proxy.start() }
        }
        for broker in brokers where broker.program == nil { try broker.start() }
        try waitUntilServing()
        try waitUntilInSync()
        for proxy in proxies {
            guard try bench.wait(for: Self.serviceLimit, { (try? proxy.hasAllServers()) == true }) else {
                throw LabError("\(proxy.host.name) does not see all brokers up")
            }
            guard try bench.wait(for: Self.stepDownLimit, { (try? proxy.isSteppingDown()) == false }) else {
                throw LabError("\(proxy.host.name) steps down for ever")
            }
        }
    }

    /// Waits until an attempt that began after `moment` has been answered.
    func waitForAnswer(_ prober: Prober, after moment: Moment) throws(LabError) -> Duration {
        guard try bench.wait(for: Self.serviceLimit, { prober.firstAnswer(after: moment.after) != nil }),
            let answer = prober.firstAnswer(after: moment.after)
        else { throw LabError("nobody serves \(Self.serviceLimit.text) after it") }
        return answer - moment.before
    }

    /// A prober that already finds service.
    func probe(_ name: String, limit: Duration = .milliseconds(250)) throws(LabError) -> Prober {
        let prober = Prober(self, Prober.Settings(name: name, limit: limit))
        prober.start()
        guard try bench.wait(for: Self.serviceLimit, { prober.successes.count >= 20 }) else {
            prober.stop()
            throw LabError("no service before the accident")
        }
        return prober
    }

    /// Waits until `proxy`, and nobody else, holds the address.
    func waitForHolder(_ proxy: Proxy) throws(LabError) {
        let deadline = Clock.now + Self.serviceLimit
        while true {
            let holders = try holders()
            if holders.count == 1, holders[0] === proxy { return }
            guard Clock.now < deadline else { throw LabError("\(proxy.host.name) does not take the address") }
            try bench.pass(.milliseconds(20))
        }
    }

    /// The active host's link is cut and healed.
    func loseHost(_ findings: inout Findings) throws(LabError) {
        try loseHost(&findings) { (network, host) throws(LabError) in try network.cut(host) }
    }

    /// A switch fails: the active host goes on believing that it is active.
    func splitPair(_ findings: inout Findings) throws(LabError) {
        try loseHost(&findings, isLong: true) { (network, host) throws(LabError) in try network.isolate(host) }
    }

    /// - Parameter isLong: the hosts have been apart for so long that neither knows the other's link-layer address.
    private func loseHost(
        _ findings: inout Findings, isLong: Bool = false, by accident: (LabNetwork, Host) throws(LabError) -> Moment
    ) throws(LabError) {
        let active = try roles().active
        let watch = try watchAddress()
        defer { watch.stop() }
        let prober = try probe("loss")
        defer { prober.stop() }
        let cut = try accident(network, active.host)
        findings.add("CONNECT succeeds after the cut", try waitForAnswer(prober, after: cut), .medianAtMost(500))
        let answers = try network.whoAnswers(LabNetwork.virtualAddress, askedBy: client)
        findings.add("cards that answer after the cut", Double(answers.count), .number, .always(1))
        findings.add("hosts that hold it before the heal", Double(try holders().count))
        if isLong {
            for proxy in proxies { try network.forgetNeighbours(proxy.host) }
            // The kernels ask, once a second, and nobody answers.
            try bench.pass(.milliseconds(1300))
        }
        let heal = try network.heal(active.host)
        try bench.pass(.seconds(2))
        findings.add(
            "two holders after the heal", watch.overlap(since: heal.before, until: Clock.now),
            .maximumAtMost(overlapBound))
        let after = try network.whoAnswers(LabNetwork.virtualAddress, askedBy: client)
        findings.add("cards that answer after the heal", Double(after.count), .number, .always(1))
        findings.add("hosts that hold it after the heal", Double(try holders().count), .number, .always(1))
        findings.add("longest gap after the heal", prober.longestGap(since: heal.before))
    }

    /// 200 persistent clients, the active host lost, messages published meanwhile.
    func loseHostWithSessions(_ count: Int, _ findings: inout Findings) throws(LabError) {
        var settings = ClientPool.Settings(count: count)
        settings.name = "session-\(findings.all.first?.values.count ?? 0)"
        let pool = ClientPool(self, settings)
        pool.start()
        defer { pool.stop() }
        try pool.waitUntilUp(limit: .seconds(20))
        try waitUntilInSync()
        let before = pool.accepts
        let cut = try network.cut(try roles().active.host)
        try Publisher.publish("meanwhile", to: pool.clients, at: brokers, self)
        try pool.waitUntilBack(since: before, limit: .seconds(20))
        findings.add("all clients are back", Clock.now - cut.before)
        findings.add("sessions present", Double(pool.sessionsPresent), .number, .always(Double(count)))
        let payload = Array("meanwhile".utf8)
        _ = try bench.wait(for: .seconds(10)) { pool.clients.allSatisfy { $0.messages.contains(payload) } }
        findings.add(
            "messages received", Double(pool.clients.count { $0.messages.contains(payload) }), .number,
            .always(Double(count)))
        for proxy in proxies { try network.heal(proxy.host) }
    }

    /// `understudy step-down` on the active host.
    func stepDown(_ findings: inout Findings) throws(LabError) {
        let prober = try probe("step")
        defer { prober.stop() }
        let start = Clock.now
        try handOver(prober, for: .milliseconds(500))
        findings.add("longest time without service", prober.longestGap(since: start), .maximumAtMost(50))
        try prober.finish()
        findings.add("failed probes", Double(prober.failed(since: start)))
    }

    /// Two step-downs right one after the other: the address goes over and straight back.
    func bounce(_ findings: inout Findings) throws(LabError) {
        let prober = try probe("bounce")
        defer { prober.stop() }
        let start = Clock.now
        try handOver(prober, for: nil)
        try handOver(prober, for: nil)
        findings.add("longest time without service", prober.longestGap(since: start), .maximumAtMost(50))
    }

    /// Has the active host step down, and waits half a second in which the other must serve.
    private func handOver(_ prober: Prober, for time: Duration?) throws(LabError) {
        let (active, standby) = try roles()
        let start = Clock.now
        try active.stepDown(for: time)
        try waitForHolder(standby)
        try bench.pass(.milliseconds(500))
        guard prober.successes.contains(where: { $0.started > start }) else {
            throw LabError("nobody serves after the step-down: \(prober.reasons(since: start))")
        }
    }

    /// The host of higher priority goes and returns; the lab's configuration says `preempt after 1s`.
    func failBack(_ findings: inout Findings) throws(LabError) {
        let returning = proxies[0]
        try waitForHolder(returning)
        let prober = try probe("failback")
        defer { prober.stop() }
        let stopped = Clock.now
        try returning.stop()
        try waitForHolder(proxies[1])
        try bench.pass(.milliseconds(500))
        findings.add("longest time without service, leaving", prober.longestGap(since: stopped))
        let start = Clock.now
        try returning.start()
        try waitForHolder(returning)
        try bench.pass(.seconds(1))
        findings.add("longest time without service, returning", prober.longestGap(since: start), .maximumAtMost(50))
        try prober.finish()
        findings.add("failed probes, returning", Double(prober.failed(since: start)))
    }

    /// Every process of the active host's daemon is killed at once. Its kernel lives, and must not keep the address:
    /// the service manager, whose part the lab plays here, runs `understudy release`.
    func crashHost(_ findings: inout Findings) throws(LabError) {
        let (active, _) = try roles()
        let prober = try probe("crash")
        defer { prober.stop() }
        let moment = try active.crash()
        try active.sweep()
        findings.add("CONNECT succeeds after the crash", try waitForAnswer(prober, after: moment))
        try bench.pass(.seconds(3))
        findings.add("dead host holds the address", try active.holdsAddress() ? 1 : 0, .number, .always(0))
        let answers = try network.whoAnswers(LabNetwork.virtualAddress, askedBy: client)
        findings.add("cards that answer", Double(answers.count), .number, .always(1))
    }
}
