// Who is let in: rules, rates and counts on virtual time.

import Testing
import Wire

@testable import Balancing

@Suite("An access list")
struct AccessListTests {
    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func `lets everybody in who is not named`() throws {
        #expect(AccessList([]).isEmpty)
        #expect(AccessList([]).allows(try address("10.0.0.1")))
        let list = AccessList([.init(.deny, [try prefix("10.0.0.0/8")])])
        #expect(list.allows(try address("11.0.0.1")))
        #expect(list.allows(try address("2001:db8::1")))
        #expect(!list.allows(try address("10.255.0.1")))
    }

    @Test func `is decided by the first rule that matches`() throws {
        let all = [try prefix("0.0.0.0/0"), try prefix("::/0")]
        let list = AccessList([
            .init(.deny, [try prefix("10.0.0.7")]), .init(.allow, [try prefix("10.0.0.0/24")]),
            .init(.allow, [try prefix("2001:db8::/32")]), .init(.deny, all),
        ])
        for (text, isAllowed) in [
            ("10.0.0.7", false), ("10.0.0.8", true), ("10.0.1.8", false), ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
        ] { #expect(list.allows(try address(text)) == isAllowed, "\(text)") }
    }

    @Test func `says what comparing with each rule would say`() throws {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            func random() -> IPAddress {
                // Few different bits, so that networks meet.
                generator.next() % 2 == 0
                    ? .v4(IPv4Address(0x0A00_0000 | UInt32(truncatingIfNeeded: generator.next() & 0xF)))
                    : .v6(IPv6Address(high: generator.next() & 3, low: generator.next() & 3))
            }
            let rules = (0..<4).map { _ in
                AccessList.Rule(
                    generator.next() % 2 == 0 ? .allow : .deny,
                    (0..<3).map { _ in
                        let address = random()
                        let longest: UInt64 = address.family == .ipv4 ? 33 : 129
                        return IPPrefix(address, length: Int(generator.next() % longest))
                    })
            }
            let list = AccessList(rules)
            for _ in 0..<20 {
                let address = random()
                let first = rules.first { $0.networks.contains { $0.contains(address) } }
                #expect(list.allows(address) == (first?.action != .deny), "\(address) \(rules)")
            }
        }
    }
}

@Suite("A table of who was here lately")
struct RecentTableTests {
    @Test func `forgets who was not seen for longest`() {
        var table = RecentTable<Int, Int>(capacity: 3)
        for key in [1, 2, 3, 1, 4] { table.with(key, initial: 0) { $0 += 1 } }
        #expect(table.count == 3)
        #expect(table.evicted == 1)
        let values = [1, 3, 4, 2].map { key in table.with(key, initial: 0) { $0 } }
        #expect(values == [2, 1, 1, 0])
        #expect(table.evicted == 2)
    }

    @Test func `agrees with a plain list of ages`() {
        var generator = SeededGenerator(seed: 11)
        var table = RecentTable<UInt64, Int>(capacity: 8)
        var model: [(key: UInt64, value: Int)] = []
        for _ in 0..<5000 {
            let key = generator.next() % 20
            let value = table.with(key, initial: 0) { value in
                value += 1
                return value
            }
            let old = model.firstIndex { $0.key == key }.map { model.remove(at: $0).value } ?? 0
            if model.count == 8 { model.removeFirst() }
            model.append((key, old + 1))
            #expect(value == old + 1)
        }
    }
}

@Suite("Admission")
struct AdmissionTests {
    private func settings(_ change: (inout Admission.Settings) -> Void) -> Admission.Settings {
        var settings = Admission.Settings()
        change(&settings)
        return settings
    }

    private func v4(_ last: UInt8) -> IPAddress { .v4(IPv4Address(10, 0, 0, last)) }

    @Test func `without a limit lets everybody in`() {
        var admission = Admission(settings { _ in }, at: .zero)
        for _ in 0..<1000 {
            #expect(admission.arrived(from: admission.source(of: v4(1)), at: .zero) == .admitted)
            #expect(admission.connecting(client: 1, at: .zero) == .admitted)
        }
        #expect(admission.tracked == (0, 0))
        #expect(admission.connections(of: admission.source(of: v4(1))) == 0)
    }

    @Test func `counts the connections of each source until they are over`() {
        var admission = Admission(settings { $0.sourceConnections = 2 }, at: .zero)
        let (a, b) = (admission.source(of: v4(1)), admission.source(of: v4(2)))
        #expect((0..<3).map { _ in admission.arrived(from: a, at: .zero) } == [.admitted, .admitted, .refused(.sourceConnections)])
        #expect(admission.arrived(from: b, at: .zero) == .admitted)
        admission.left(a)
        #expect(admission.arrived(from: a, at: .zero) == .admitted)
        for source in [a, a, b] { admission.left(source) }
        #expect(admission.connections(of: a) == 0)
    }

    @Test func `takes a network of IPv6 as one source`() throws {
        var admission = Admission(settings { $0.sourceConnections = 1 }, at: .zero)
        func source(_ text: String) throws -> IPPrefix { admission.source(of: try #require(IPAddress(text))) }
        let (first, second) = (try source("2001:db8:0:1::1"), try source("2001:db8:0:1:ffff::2"))
        let other = try source("2001:db8:0:2::1")
        #expect(first == second)
        #expect(admission.arrived(from: first, at: .zero) == .admitted)
        #expect(admission.arrived(from: second, at: .zero) == .refused(.sourceConnections))
        #expect(admission.arrived(from: other, at: .zero) == .admitted)
    }

    @Test func `bounds rates, and a source that asks too much does not use up what all share`() {
        let rates = settings {
            $0.sourceRate = .init(perSecond: 1, burst: 2)
            $0.connectRate = .init(perSecond: 10, burst: 4)
        }
        var admission = Admission(rates, at: .zero)
        let (a, b) = (admission.source(of: v4(1)), admission.source(of: v4(2)))
        let greedy = (0..<10).map { _ in admission.arrived(from: a, at: .zero) }
        #expect(greedy == [.admitted, .admitted] + Array(repeating: .refused(.sourceRate), count: 8))
        #expect((0..<2).map { _ in admission.arrived(from: b, at: .zero) } == [.admitted, .admitted])
        #expect(admission.arrived(from: admission.source(of: v4(3)), at: .zero) == .refused(.connectRate))
        let later = Instant.zero + .seconds(1)
        #expect(admission.arrived(from: a, at: later) == .admitted)
        #expect(admission.arrived(from: a, at: later) == .refused(.sourceRate))
    }

    @Test func `bounds the rate of one client ID`() {
        var admission = Admission(settings { $0.clientRate = .init(perSecond: 2, burst: 1) }, at: .zero)
        #expect(admission.connecting(client: 7, at: .zero) == .admitted)
        #expect(admission.connecting(client: 7, at: .zero) == .refused(.clientRate))
        #expect(admission.connecting(client: 8, at: .zero) == .admitted)
        #expect(admission.connecting(client: 7, at: .zero + .milliseconds(500)) == .admitted)
    }

    @Test func `slows a client down that connects too often, and lets it go when it has calmed down`() {
        let flapping = Admission.Flapping(reconnects: 3, window: .seconds(60), delay: .seconds(5))
        var admission = Admission(settings { $0.flapping = flapping }, at: .zero)
        var now = Instant.zero
        var verdicts: [Admission.Verdict] = []
        for _ in 0..<6 {
            verdicts.append(admission.connecting(client: 7, at: now))
            now += .seconds(1)
        }
        #expect(verdicts == Array(repeating: .admitted, count: 3) + Array(repeating: .delayed(.seconds(5)), count: 3))
        #expect(admission.connecting(client: 8, at: now) == .admitted)
        // Half of the next window on, half of the six still count.
        #expect(admission.connecting(client: 7, at: .zero + .seconds(90)) == .delayed(.seconds(5)))
        #expect(admission.connecting(client: 7, at: .zero + .seconds(300)) == .admitted)
    }

    @Test func `never lets a flapping client through faster than its limit allows for long`() {
        let flapping = Admission.Flapping(reconnects: 10, window: .seconds(60), delay: .seconds(5))
        var admission = Admission(settings { $0.flapping = flapping }, at: .zero)
        var now = Instant.zero
        var connects = 0
        // It comes back at once, each time; in an hour it was let in about every five seconds.
        while now < .zero + .seconds(3600) {
            connects += 1
            if case .delayed(let delay) = admission.connecting(client: 7, at: now) { now += delay }
            now += .milliseconds(10)
        }
        #expect(connects < 3600 / 5 + 60)
    }

    @Test func `remembers so many and no more`() {
        let bounds = settings {
            $0.clientRate = .init(perSecond: 1, burst: 1)
            $0.sourceRate = .init(perSecond: 1, burst: 1)
            $0.tracked = 64
        }
        var admission = Admission(bounds, at: .zero)
        for client in 0..<1000 {
            #expect(admission.connecting(client: UInt64(client), at: .zero) == .admitted)
            let source = IPPrefix(.v4(IPv4Address(UInt32(client))), length: 32)
            #expect(admission.arrived(from: source, at: .zero) == .admitted)
        }
        #expect(admission.tracked == (64, 64))
        #expect(admission.evicted == 2 * (1000 - 64))
    }

    @Test func `keeps what is open over a change of settings`() {
        var admission = Admission(settings { $0.sourceConnections = 1 }, at: .zero)
        let source = admission.source(of: v4(1))
        #expect(admission.arrived(from: source, at: .zero) == .admitted)
        admission.apply(
            settings {
                $0.sourceConnections = 2
                $0.tracked = 128
            }, at: .zero)
        #expect(admission.arrived(from: source, at: .zero) == .admitted)
        #expect(admission.arrived(from: source, at: .zero) == .refused(.sourceConnections))
        admission.apply(settings { _ in }, at: .zero)
        admission.left(source)
        admission.left(source)
        #expect(admission.connections(of: source) == 0)
    }
}

@Suite("A window of reconnects")
struct ReconnectWindowTests {
    @Test func `counts what lies in it, with time that stands still or jumps`() {
        var window = ReconnectWindow(at: .zero)
        var now = Instant.zero
        #expect((0..<4).map { _ in window.count(within: .seconds(10), at: now) } == [1, 2, 3, 4])
        now += .seconds(15)
        // Half of the former window is still covered.
        #expect(window.count(within: .seconds(10), at: now) == 3)
        now += .seconds(86_400)
        #expect(window.count(within: .seconds(10), at: now) == 1)
        #expect(window.count(within: .seconds(10), at: .zero) == 2)
        #expect(window.count(within: .seconds(86_400 * 365), at: .distantFuture) >= 1)
    }
}
