// The lab's own instruments, tried on things whose answer is known.

import Lab
import Linux
import Testing
import Wire

extension TwoHosts {
    @Suite("The lab itself", .serialized)
    struct Instruments {
        /// Nothing of the program under test runs in these.
        static var settings: LabSettings { LabSettings(program: "/bin/true") }

        static func exists(_ prefix: String) throws -> Bool {
            let namespaces = (try? FileTree.list("/run/netns")) ?? []
            return try (namespaces + FileTree.list("/tmp")).contains { $0.hasPrefix(prefix) }
        }

        @Test(
            "removes everything it made, also after a failure, and several live side by side", .timeLimit(.minutes(1)))
        func removal() throws {
            struct Stop: Error {}
            var prefixes: [String] = []
            #expect(throws: Stop.self) {
                try Setting.lab(Self.settings) { first in
                    try first.brokers[0].start()
                    try Setting.lab(Self.settings) { second in
                        try second.brokers[0].start()
                        prefixes = [first, second].map { String($0.client.namespace.dropLast("client".count)) }
                        for prefix in prefixes { #expect(try Self.exists(prefix)) }
                        throw Stop()
                    }
                }
            }
            #expect(Set(prefixes).count == 2)
            for prefix in prefixes { #expect(try !Self.exists(prefix), "\(prefix)") }
        }

        @Test("clients find their session and messages at a broker, and a probe finds a gap", .timeLimit(.minutes(1)))
        func clients() throws {
            try Setting.lab(Self.settings) { lab in
                let broker = lab.brokers[0]
                try broker.start()
                var settings = ClientPool.Settings(count: 20)
                settings.target = broker.address
                let pool = ClientPool(lab, settings)
                pool.start()
                defer { pool.stop() }
                try pool.waitUntilUp(limit: .seconds(10))
                #expect(pool.sessionsPresent == 0)
                let before = pool.accepts
                for client in pool.clients { client.drop() }
                try Publisher.publish("late", to: pool.clients, at: [broker], lab)
                try pool.waitUntilBack(since: before, limit: .seconds(10))
                #expect(pool.sessionsPresent == 20)
                let payload = Array("late".utf8)
                #expect(
                    try lab.bench.wait(for: .seconds(10)) { pool.clients.allSatisfy { $0.messages.contains(payload) } })

                var probing = Prober.Settings(name: "gap")
                probing.target = broker.address
                let prober = Prober(lab, probing)
                prober.start()
                defer { prober.stop() }
                try lab.bench.pass(.milliseconds(500))
                let start = Clock.now
                try lab.network.cut(broker.host)
                try lab.bench.pass(.milliseconds(300))
                let heal = try lab.network.heal(broker.host)
                #expect(try lab.bench.wait(for: .seconds(10)) { prober.firstAnswer(after: heal.after) != nil })
                #expect(prober.longestGap(since: start) >= .milliseconds(295))
                #expect(prober.failed(since: start) > 10)
            }
        }

        @Test("two holders of the address are seen by the watch and by ARP", .timeLimit(.minutes(1)))
        func split() throws {
            try Setting.lab(Self.settings) { lab in
                let watch = try lab.watchAddress()
                let virtual = "\(LabNetwork.virtualAddress)/24"
                let start = Clock.now
                let hosts = lab.proxies.map(\.host)
                func ip(_ verb: String, _ host: Host) throws {
                    try lab.bench.succeed(["ip", "-n", host.namespace, "address", verb, virtual, "dev", "eth0"])
                }
                #expect(try lab.network.whoAnswers(LabNetwork.virtualAddress, askedBy: lab.client).isEmpty)
                try ip("add", hosts[0])
                #expect(try lab.bench.wait(for: .seconds(2)) { watch.holders == ["lb1"] })
                let card = try lab.network.card(of: hosts[0])
                #expect(try lab.network.whoAnswers(LabNetwork.virtualAddress, askedBy: lab.client) == [card])
                #expect(watch.overlap(since: start, until: Clock.now) == .zero)
                try ip("add", hosts[1])
                #expect(try lab.bench.wait(for: .seconds(2)) { watch.holders == ["lb1", "lb2"] })
                #expect(try lab.network.whoAnswers(LabNetwork.virtualAddress, askedBy: lab.client).count == 2)
                try lab.bench.pass(.milliseconds(100))
                try ip("del", hosts[0])
                #expect(try lab.bench.wait(for: .seconds(2)) { watch.holders == ["lb2"] })
                #expect(watch.overlap(since: start, until: Clock.now) >= .milliseconds(100))
            }
        }
    }
}
