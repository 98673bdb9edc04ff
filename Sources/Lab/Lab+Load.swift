// Many clients, and many sticky entries.

import Glibc
import Linux
import MQTT
import Wire

extension Lab {
    /// Most CONNECTs under way while the stick table is filled.
    private static let fillWindow = 200

    /// Thousands of clients at one time.
    func carryMany(_ count: Int, _ findings: inout Findings) throws(LabError) {
        var settings = ClientPool.Settings(count: count)
        settings.name = "many-\(findings.all.first?.values.count ?? 0)"
        settings.keepAlive = 20
        settings.silence = .seconds(30)
        settings.attemptLimit = .seconds(10)
        let pool = ClientPool(self, settings)
        let start = Clock.now
        pool.start()
        defer { pool.stop() }
        try pool.waitUntilUp(limit: .seconds(120))
        findings.add("all connected and subscribed", Clock.now - start)
        let before = pool.accepts
        let published = Clock.now
        try Publisher.publish("hello", to: pool.clients, at: brokers, self, limit: .seconds(60))
        let payload = Array("hello".utf8)
        _ = try bench.wait(for: .seconds(60)) { pool.clients.allSatisfy { $0.messages.contains(payload) } }
        findings.add("a message to each", Clock.now - published)
        findings.add(
            "clients that received it", Double(pool.clients.count { $0.messages.contains(payload) }), .number,
            .always(Double(count)))
        findings.add(
            "clients that lost their connection",
            Double(pool.clients.indices.count { pool.clients[$0].accepts != before[$0] }), .number, .always(0))
        let (active, _) = try roles()
        var memory = 0.0
        for process in try active.processes(.balancer) { memory += residentBytes(process) }
        findings.add("resident memory of the balancer", memory, .bytes)
    }

    /// The standby goes, sticky entries are learned without it, it returns and fetches them.
    func resync(_ count: Int, _ findings: inout Findings) throws(LabError) {
        let (active, standby) = try roles()
        try standby.stop()
        let name = "entry-\(findings.all.first?.values.count ?? 0)"
        let start = Clock.now
        try fill(count, name)
        findings.add("learning \(count) entries by CONNECTs", Clock.now - start)
        let known = try active.entries()
        let bytes = try network.received(by: standby.host)
        let returned = Clock.now
        try standby.start()
        guard try bench.wait(for: .seconds(60), { (try? standby.entries()) ?? 0 >= known }) else {
            throw LabError("the returning host knows \((try? standby.entries()) ?? 0) of \(known) entries")
        }
        findings.add("all entries on the returning host, from its start", Clock.now - returned)
        findings.add("entries", Double(known))
        let received = try network.received(by: standby.host) - bytes
        findings.add("bytes received meanwhile, all of them", Double(received), .bytes)
    }

    /// Has `count` clients connect and leave, so that the stick table knows each.
    private func fill(_ count: Int, _ name: String) throws(LabError) {
        var next = 0
        var done = 0
        var failed = 0
        var open: [Int: MQTTConnection] = [:]
        let target = SocketAddress(LabNetwork.virtualAddress, port: 1883)
        while done < count {
            while next < count, open.count < Self.fillWindow {
                let number = next
                next += 1
                let draft = ConnectDraft(version: .v311, clientID: Array("\(name)-\(number)".utf8), keepAlive: 60)
                open[number] = try kernel("a client") { () throws(Errno) in
                    try MQTTConnection(bench, from: client, to: target, draft) { event in
                        switch event {
                        case .packet: return
                        case .accepted: open[number]?.send(.disconnect(Disconnect()))
                        case .closed: failed += 1
                        }
                        open.removeValue(forKey: number)?.close()
                        done += 1
                    }
                }
            }
            let before = done
            guard try bench.wait(for: .seconds(10), { done > before }) else {
                throw LabError("only \(done) of \(count) clients got through")
            }
        }
        guard failed == 0 else { throw LabError("\(failed) of \(count) clients were refused") }
    }

    /// The resident memory of a process in bytes; 0 when it is gone.
    private func residentBytes(_ process: Int32) -> Double {
        guard let bytes = try? File.read("/proc/\(process)/status", limit: 65_536) else { return 0 }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("VmRSS:") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            if words.count > 1, let kilobytes = Double(words[1]) { return kilobytes * 1024 }
        }
        return 0
    }
}
