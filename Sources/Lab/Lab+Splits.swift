// Cuts that leave parts of the network standing: brokers lost by one host, advertisements lost alone, a long split.

import Linux
import Wire

extension Lab {
    /// Its servers are known to be gone, or back, within this time.
    private static let checkLimit: Duration = .seconds(15)

    /// How often a host took the address since `start`.
    private func takeovers(_ watch: AddressWatch, since start: Instant) -> Int {
        watch.changes.count { $0.holds && $0.time >= start }
    }

    /// Waits until the checks of a host see its brokers all gone, or all there.
    private func waitForServers(_ proxy: Proxy, there: Bool) throws(LabError) {
        let known = try bench.wait(for: Self.checkLimit) {
            let servers = (try? proxy.status()["balancer"]?["backends"]?.array?.first?["servers"]?.array) ?? []
            return !servers.isEmpty && servers.allSatisfy { ($0["status"]?.string == "up") == there }
        }
        guard known else { throw LabError("\(proxy.host.name) does not see that its brokers are \(there ? "back" : "gone")") }
    }

    /// The active host reaches no broker any more; everything else stands.
    func cutBrokers(_ findings: inout Findings) throws(LabError) {
        let (active, standby) = try roles()
        let watch = try watchAddress()
        defer { watch.stop() }
        let prober = try probe("brokers")
        defer { prober.stop() }
        let cut = try network.block(active.host, brokers.map { "ip daddr \($0.host.address)" })
        do throws(LabError) {
            try waitForServers(active, there: false)
            let known = Clock.now
            try waitForHolder(standby)
            findings.add("the other host holds the address after the checks know", Clock.now - known, .maximumAtMost(4000))
            let moment = Moment.around {}
            _ = try waitForAnswer(prober, after: moment)
            findings.add("CONNECT succeeds after the cut", prober.firstAnswer(after: moment.after).map { $0 - cut.before } ?? .zero)
        } catch {
            try network.unblock(active.host)
            throw error
        }
        try network.unblock(active.host)
        try waitForServers(active, there: true)
        let healed = Clock.now
        try bench.pass(.seconds(2))
        findings.add("takeovers", Double(takeovers(watch, since: cut.after)), .number, .always(1))
        findings.add("takeovers after the brokers are back", Double(takeovers(watch, since: healed)), .number, .always(0))
        findings.add("two holders", watch.overlap(since: cut.before, until: Clock.now), .maximumAtMost(overlapBound))
    }

    /// Advertisements get lost, in one direction or in both; the pair link stands.
    func cutAdvertisements(_ findings: inout Findings) throws(LabError) {
        let (active, standby) = try roles()
        let watch = try watchAddress()
        defer { watch.stop() }
        let prober = try probe("adverts")
        defer { prober.stop() }
        for hosts in [[active.host], [standby.host], [active.host, standby.host]] {
            let cut = Clock.now
            for host in hosts { try network.block(host, ["meta l4proto 112"]) }
            try bench.pass(.seconds(3))
            for host in hosts { try network.unblock(host) }
            try bench.pass(.seconds(1))
            let name = hosts.count == 2 ? "both ways" : hosts[0].name == active.host.name ? "from the active host" : "from the backup"
            findings.add(
                "two holders, none heard \(name)", watch.overlap(since: cut, until: Clock.now), .maximumAtMost(0))
            findings.add("takeovers, none heard \(name)", Double(takeovers(watch, since: cut)), .number, .always(0))
        }
        findings.add("longest time without service", prober.longestGap(since: .zero), .maximumAtMost(250))
    }

    /// The active host is cut off from everything for so long that it knows its brokers to be gone.
    func splitForLong(_ findings: inout Findings) throws(LabError) {
        let (active, standby) = try roles()
        let watch = try watchAddress()
        defer { watch.stop() }
        let prober = try probe("long")
        defer { prober.stop() }
        let cut = try network.isolate(active.host)
        findings.add("CONNECT succeeds after the cut", try waitForAnswer(prober, after: cut), .medianAtMost(500))
        try waitForServers(active, there: false)
        // Adverts of before wait in the kernel's queue for the neighbour that does not answer, at most 3 s, and would be
        // heard after the heal: the split is longer than that.
        let weak = try bench.wait(for: Self.checkLimit) {
            (try? active.status()["vip"]?["routers"]?.array?.first?["priority_in_force"]?.integer) == 1
        }
        guard weak else { throw LabError("\(active.host.name) does not lower its priority") }
        for proxy in proxies { try network.forgetNeighbours(proxy.host) }
        try bench.pass(.milliseconds(1300))
        let heal = try network.heal(active.host)
        try bench.pass(.seconds(3))
        findings.add(
            "two holders after the heal", watch.overlap(since: heal.before, until: Clock.now),
            .maximumAtMost(overlapBound))
        findings.add("takeovers after the heal", Double(takeovers(watch, since: heal.before)), .number, .always(0))
        findings.add(
            "the host that served holds the address", try standby.holdsAddress() ? 1 : 0, .number, .always(1))
        findings.add("longest gap after the heal", prober.longestGap(since: heal.before), .maximumAtMost(1000))
        let answers = try network.whoAnswers(LabNetwork.virtualAddress, askedBy: client)
        findings.add("cards that answer after the heal", Double(answers.count), .number, .always(1))
    }
}
