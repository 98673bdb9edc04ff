// The story of `make demo`: what happens to 200 devices when brokers and hosts die.

import Glibc
import Linux
import Wire

/// A story told while it happens, with what was measured at its end.
package final class Demo {
    private static let devices = 200

    private let lab: Lab
    private let say: (String) -> Void
    private let pool: ClientPool
    private var findings = Findings()
    private let begin = Clock.now

    private init(_ lab: Lab, _ say: @escaping (String) -> Void) {
        self.lab = lab
        self.say = say
        pool = ClientPool(lab, ClientPool.Settings(count: Self.devices))
    }

    /// Tells the story in a lab of its own.
    ///
    /// - Parameter say: gets each line.
    package static func tell(_ settings: LabSettings, say: @escaping (String) -> Void) throws(LabError) -> Findings {
        say("Building two proxy hosts, three brokers and a client host on this machine (network namespaces).")
        return try Lab.with(settings) { (lab) throws(LabError) in
            let demo = Demo(lab, say)
            do throws(LabError) { try demo.story() } catch {
                throw LabError("\(error)\n\(lab.logs(25))")
            }
            return demo.findings
        }
    }

    private func story() throws(LabError) {
        try lab.startPair()
        defer { pool.stop() }
        try meet()
        try reconnect()
        try loseBroker()
        try loseHost()
        try comeBack()
        try stepDown()
        try witness()
        tell("That was it.")
    }

    private func tell(_ sentence: String) {
        let seconds = Finding.text((Clock.now - begin).milliseconds / 1000)
        say(String(repeating: " ", count: max(0, 6 - seconds.utf8.count)) + seconds + "s  " + sentence)
    }

    private func measured(_ name: String, _ value: Double, _ unit: Finding.Unit, _ bound: Finding.Bound?) {
        findings.add(name, value, unit, bound)
        let unitText = unit.rawValue.isEmpty ? "" : " \(unit.rawValue)"
        let holds = findings.all.last?.holds ?? false
        let demand = bound.map { " (demanded: \($0.text)\(unitText)\(holds ? "" : " -- NOT KEPT"))" } ?? ""
        say("           -> \(name): \(Finding.text(value))\(unitText)\(demand)")
    }

    private func measured(_ name: String, _ duration: Duration, _ bound: Finding.Bound? = nil) {
        measured(name, duration.milliseconds, .milliseconds, bound)
    }

    /// How many devices found their session.
    private func sessions(_ occasion: String) {
        measured(
            "sessions found again after \(occasion)", Double(pool.sessionsPresent), .number,
            .always(Double(Self.devices)))
    }

    // MARK: Chapters

    private func meet() throws(LabError) {
        let (active, standby) = try lab.roles()
        tell(
            "\(active.host.name) holds the address \(LabNetwork.virtualAddress), \(standby.host.name) stands by. "
                + "Both read the same file.")
        tell("\(Self.devices) devices with persistent sessions connect to \(LabNetwork.virtualAddress):1883.")
        let start = Clock.now
        pool.start()
        try pool.waitUntilUp(limit: .seconds(20))
        measured("all devices connected and subscribed", Clock.now - start)
        try lab.waitUntilInSync()
    }

    private func reconnect() throws(LabError) {
        tell("Every device loses its radio link and connects again. Each must get the broker that knows it.")
        let before = pool.accepts
        for client in pool.clients { client.drop() }
        try pool.waitUntilBack(since: before, limit: .seconds(20))
        sessions("a reconnect")
    }

    private func loseBroker() throws(LabError) {
        let broker = lab.brokers[0]
        tell("Broker \(broker.host.name) is killed. New devices keep coming every 5 ms and must not notice.")
        let before = pool.accepts
        let prober = try lab.probe("new", limit: .seconds(10))
        defer { prober.stop() }
        let start = Clock.now
        try broker.kill()
        guard try lab.bench.wait(for: Lab.serviceLimit, { pool.accepts != before }) else {
            throw LabError("no device noticed that \(broker.host.name) died")
        }
        try pool.waitUntilUp(limit: .seconds(20))
        measured("devices of the dead broker served by others", Clock.now - start)
        try lab.bench.pass(.seconds(1))
        try prober.finish()
        measured("failed CONNECTs of new devices", Double(prober.failures.count), .number, .always(0))
        try broker.start()
        tell("\(broker.host.name) is back. The checks notice it.")
        try lab.bench.pass(.seconds(1))
    }

    private func loseHost() throws(LabError) {
        let (active, standby) = try lab.roles()
        try pool.waitUntilUp(limit: .seconds(20))
        try lab.waitUntilInSync()
        tell(
            "The switch loses \(active.host.name), the active host, which does not even know. "
                + "Messages go on being published.")
        let before = pool.accepts
        let prober = try lab.probe("after-loss")
        defer { prober.stop() }
        let cut = try lab.network.isolate(active.host)
        measured(
            "first CONNECT through \(standby.host.name)", try lab.waitForAnswer(prober, after: cut), .maximumAtMost(500)
        )
        prober.stop()
        try Publisher.publish("while you were away", to: pool.clients, at: lab.brokers, lab)
        try pool.waitUntilBack(since: before, limit: .seconds(20))
        measured("all devices are back", Clock.now - cut.before)
        sessions("the loss of a host")
        let payload = Array("while you were away".utf8)
        _ = try lab.bench.wait(for: .seconds(10)) { pool.clients.allSatisfy { $0.messages.contains(payload) } }
        measured(
            "devices that got the message published meanwhile",
            Double(pool.clients.count { $0.messages.contains(payload) }), .number, .always(Double(Self.devices)))
    }

    private func comeBack() throws(LabError) {
        let watch = try lab.watchAddress()
        defer { watch.stop() }
        tell("It is back on the wire. Two hosts believe to be active; one of them must give way at once.")
        let before = pool.accepts
        var heal: Moment?
        for proxy in lab.proxies {
            let moment = try lab.network.heal(proxy.host)
            heal = heal ?? moment
        }
        try lab.bench.pass(.seconds(2))
        if let heal {
            measured(
                "both hosts held the address", watch.overlap(since: heal.before, until: Clock.now),
                .maximumAtMost(lab.overlapBound))
        }
        measured("hosts that hold it now", Double(try lab.holders().count), .number, .always(1))
        try pool.waitUntilUp(limit: .seconds(20))
        measured(
            "devices disturbed by the return",
            Double(pool.clients.indices.count { pool.clients[$0].accepts != before[$0] }), .number, nil)
        try lab.waitUntilInSync()
        tell("The returned host knows every sticky entry again.")
    }

    private func stepDown() throws(LabError) {
        let (active, standby) = try lab.roles()
        tell("Maintenance: understudy step-down on \(active.host.name). \(standby.host.name) takes over, planned.")
        let before = pool.accepts
        let prober = try lab.probe("planned")
        defer { prober.stop() }
        let start = Clock.now
        try active.stepDown()
        try lab.waitForHolder(standby)
        try lab.bench.pass(.milliseconds(500))
        measured("longest time without service", prober.longestGap(since: start), .maximumAtMost(50))
        prober.stop()
        try pool.waitUntilBack(since: before, limit: .seconds(20))
        sessions("a planned hand-over")
    }

    /// mosquitto's own tools, so that nobody need believe our client.
    private func witness() throws(LabError) {
        tell("And mosquitto_sub and mosquitto_pub see the same: subscribed before, published while away, delivered.")
        let subscribe = [
            "ip", "netns", "exec", lab.client.namespace, "mosquitto_sub", "-h", "\(LabNetwork.virtualAddress)", "-i",
            "witness",
            "-c", "-q", "1", "-t", "witness/+",
        ]
        try lab.bench.succeed(subscribe + ["-E"])
        for broker in lab.brokers {
            try lab.bench.succeed(
                [
                    "ip", "netns", "exec", lab.client.namespace, "mosquitto_pub", "-h", "\(broker.host.address)", "-q",
                    "1",
                    "-t", "witness/1", "-m", "delivered",
                ])
        }
        let (_, output) = try lab.bench.run(subscribe + ["-C", "1", "-W", "5"])
        measured(
            "message delivered to mosquitto_sub", output.contains("delivered") ? 1 : 0, .number, .always(1))
    }
}
