// What the operator does while many clients are connected: hands the address over, reads the file again.

import Glibc
import Linux
import Wire

extension Lab {
    /// How long clients may be away after a hand-over: all come back at the same time.
    private static let returnLimit: Duration = .seconds(60)
    /// How often the file is read again in a second.
    private static let reloadPause: Duration = .milliseconds(100)

    private func crowd(_ name: String, _ count: Int) throws(LabError) -> ClientPool {
        var settings = ClientPool.Settings(count: count)
        settings.name = name
        // Nobody learns anything from a ping that is not answered: what a client notices, it is told.
        settings.keepAlive = 120
        settings.silence = .seconds(240)
        settings.attemptLimit = .seconds(10)
        let pool = ClientPool(self, settings)
        pool.start()
        try pool.waitUntilUp(limit: .seconds(120))
        return pool
    }

    /// `understudy step-down` while thousands of idle clients are connected.
    func stepDownCrowd(_ count: Int, _ findings: inout Findings) throws(LabError) {
        let pool = try crowd("crowd-\(findings.all.first?.values.count ?? 0)", count)
        defer { pool.stop() }
        try waitUntilInSync()
        let (active, standby) = try roles()
        let known = try active.entries()
        let watch = try watchAddress()
        defer { watch.stop() }
        let accepts = pool.accepts
        let closes = pool.closes
        let start = Clock.now
        try active.stepDown(for: .milliseconds(500))
        func told() -> Int { pool.clients.indices.count { pool.clients[$0].closes > closes[$0] } }
        _ = try bench.wait(for: .seconds(10)) { told() == count }
        findings.add("clients whose connection was closed", Double(told()), .number, .always(Double(count)))
        findings.add("the last of them was closed after", Clock.now - start)
        try waitForHolder(standby)
        findings.add(
            "nobody held the address for", watch.vacancy(since: start, until: Clock.now), .maximumAtMost(50))
        findings.add("both held the address for", watch.overlap(since: start, until: Clock.now))
        findings.add(
            "sticky entries lost", Double(max(0, known - (try standby.entries()))), .number, .always(0))
        try pool.waitUntilBack(since: accepts, limit: Self.returnLimit)
        findings.add("all are back after", Clock.now - start)
        findings.add("of them with their session", Double(pool.sessionsPresent), .number, .always(Double(count)))
    }

    /// Has both hosts read another file in place of theirs.
    private func reload(_ settings: LabSettings) throws(LabError) {
        let path = "\(bench.directory)/understudy.conf"
        let text = PairConfiguration.text(
            settings, proxies: proxies.map(\.host), brokers: brokers, directory: bench.directory)
        try kernel("the configuration") { () throws(Errno) in
            try FileTree.write(path + ".new", Array(text.utf8))
            try File.rename(path + ".new", to: path)
        }
        for proxy in proxies { try proxy.ask(["command": "reload"]) }
    }

    /// Both hosts read a changed file again ten times a second, while clients connect, and others are connected.
    func reloadUnderTraffic(_ reloads: Int, _ findings: inout Findings) throws(LabError) {
        let pool = try crowd("reload-\(findings.all.first?.values.count ?? 0)", 200)
        defer { pool.stop() }
        let prober = try probe("reload")
        defer { prober.stop() }
        let watch = try watchAddress()
        defer { watch.stop() }
        let changes = watch.changes.count
        let closes = pool.closes
        let start = Clock.now
        for number in 1...reloads {
            var changed = settings
            changed.check = number % 2 == 0 ? settings.check : "mqtt every 400ms timeout 300ms rise 1 fall 2"
            changed.priorities = [150 - number % 5, 100]
            try reload(changed)
            try bench.pass(max(.zero, start + Self.reloadPause * number - Clock.now))
        }
        let ended = Clock.now
        try reload(settings)
        findings.add("changes of the address", Double(watch.changes.count - changes), .number, .always(0))
        findings.add(
            "clients that lost their connection",
            Double(pool.clients.indices.count { pool.clients[$0].closes != closes[$0] }), .number, .always(0))
        try prober.finish()
        findings.add("failed CONNECTs", Double(prober.failed(since: start)), .number, .always(0))
        findings.add("longest time without a CONNACK", prober.longestGap(since: start))
        findings.add("reloads in a second", Double(reloads) / ((ended - start).milliseconds / 1000), .number)
    }
}
