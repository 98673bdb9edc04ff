// Servers by name: looked up, followed when they move, kept when nobody answers.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Synchronization
import Testing
import Wire

@testable import Proxy

@Suite("Servers by name")
struct ResolverTests {
    private static func address(_ last: UInt8) -> IPAddress { .v4(IPv4Address(127, 0, 0, last)) }

    private static func settings(_ server: NameServer) -> Configuration.ResolverSettings {
        var settings = Configuration.ResolverSettings()
        settings.server = server.address
        settings.interval = .milliseconds(100)
        settings.timeout = .milliseconds(500)
        return settings
    }

    @Test("are looked up, move with their name, and stay when the name server is silent or denies them")
    func life() throws {
        let names = try NameServer()
        defer { names.stop() }
        names.set("a.example", [Self.address(3), .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1)), Self.address(2)])
        let changes = Gauge()
        let resolver = try NameResolver { changes.add(1) }
        defer { resolver.stop() }
        try resolver.watch(["a.example", "nobody.example"], Self.settings(names))
        resolver.awaitFirst(until: Clock.now + .seconds(20))
        #expect(
            resolver.answers["a.example"]?.addresses == [
                Self.address(2), Self.address(3), .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1)),
            ])
        #expect(resolver.answers["nobody.example"]?.addresses == [])
        #expect(resolver.answers["nobody.example"]?.failure != nil)
        #expect(eventually { changes.value >= 2 })
        names.set("a.example", [Self.address(9)])
        #expect(eventually { resolver.answers["a.example"]?.addresses == [Self.address(9)] })
        names.setSilent(true)
        #expect(eventually { resolver.answers["a.example"]?.failure?.hasPrefix("no answer") == true })
        #expect(resolver.answers["a.example"]?.addresses == [Self.address(9)])
        names.setSilent(false)
        names.set("a.example", [])
        let asked = names.questions
        #expect(eventually { names.questions > asked + 4 })
        #expect(resolver.answers["a.example"]?.addresses == [Self.address(9)])
        try resolver.watch([], Self.settings(names))
        #expect(resolver.answers.isEmpty)
    }

    @Test("a lost datagram is asked for again, and a family that stays silent keeps what was known of it")
    func lost() throws {
        let names = try NameServer()
        defer { names.stop() }
        let six = IPAddress.v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1))
        names.set("a.example", [Self.address(2), six])
        names.lose(2)
        let asked = NameLookup.ask(names.address, "a.example", timeout: .seconds(20))
        #expect(Set(asked.addresses) == [Self.address(2), six] && asked.failure == nil && asked.unanswered.isEmpty)
        #expect(names.questions == 4)

        let resolver = try NameResolver {}
        defer { resolver.stop() }
        try resolver.watch(["a.example"], Self.settings(names))
        #expect(eventually { resolver.answers["a.example"]?.addresses == [Self.address(2), six] })
        names.setSilent([.ipv6])
        names.set("a.example", [Self.address(3)])
        #expect(eventually { resolver.answers["a.example"]?.addresses == [Self.address(3), six] })
        let failure = try #require(resolver.answers["a.example"]?.failure)
        #expect(failure.hasPrefix("no answer for IPv6 addresses from"), "\(failure)")
        // Said to be none, it is none.
        names.setSilent(false)
        #expect(eventually { resolver.answers["a.example"]?.addresses == [Self.address(3)] })
        #expect(eventually { resolver.answers["a.example"]?.failure == nil })
    }

    @Test("what does not fit into a datagram is fetched over TCP, and counts only when it is whole")
    func long() throws {
        let names = try NameServer()
        defer { names.stop() }
        names.set("a.example", (1...100).map { Self.address($0) })
        names.setCut(true)
        let found = NameLookup.ask(names.address, "a.example", timeout: .seconds(20))
        #expect(found.addresses == (1...100).map { Self.address($0) } && found.failure == nil)
        #expect(names.streams == 2)
        let resolver = try NameResolver {}
        defer { resolver.stop() }
        try resolver.watch(["a.example"], Self.settings(names))
        #expect(eventually { resolver.answers["a.example"]?.dropped == 84 })
        #expect(resolver.answers["a.example"]?.addresses == (1...16).map { Self.address($0) })
        // Over TCP, too, it is cut: no address counts.
        names.setCut(true, overStreams: true)
        let cut = NameLookup.ask(names.address, "a.example", timeout: .seconds(20))
        #expect(cut.addresses.isEmpty && cut.unanswered == [.ipv4, .ipv6])
        #expect(cut.failure?.description.contains("no whole answer over TCP") == true)
    }

    @Test("a resolver that inherits addresses has them before anybody answers")
    func inherited() throws {
        let names = try NameServer()
        defer { names.stop() }
        names.setSilent(true)
        let changes = Gauge()
        let resolver = try NameResolver(knowing: ["a.example": [Self.address(2)], "gone.example": [Self.address(3)]]) {
            changes.add(1)
        }
        defer { resolver.stop() }
        try resolver.watch(["a.example"], Self.settings(names))
        resolver.awaitFirst(until: .distantFuture)
        #expect(resolver.answers.mapValues(\.addresses) == ["a.example": [Self.address(2)]])
        #expect(eventually { resolver.answers["a.example"]?.failure != nil })
        #expect(resolver.answers["a.example"]?.addresses == [Self.address(2)])
        names.set("a.example", [Self.address(4)])
        names.setSilent(false)
        #expect(eventually { resolver.answers["a.example"]?.addresses == [Self.address(4)] })
        #expect(changes.value >= 2)
    }

    @Test("a thread that could not be started is started by the next configuration")
    func threads() throws {
        let names = try NameServer()
        defer { names.stop() }
        names.set("a.example", [Self.address(2)])
        let started = Gauge()
        let allowed = Gauge()
        let resolver = try NameResolver(start: { run throws(Errno) in
            guard allowed.value > 0 else { throw Errno(EAGAIN, "pthread_create") }
            started.add(1)
            _ = try Thread(name: "resolver", run)
        }) {}
        defer { resolver.stop() }
        #expect(throws: Errno.self) { try resolver.watch(["a.example"], Self.settings(names)) }
        #expect(resolver.answers.isEmpty)
        allowed.add(1)
        try resolver.watch(["a.example"], Self.settings(names))
        #expect(eventually { resolver.answers["a.example"]?.addresses == [Self.address(2)] })
        #expect(started.value == 1)
        try resolver.watch((0..<9).map { "\($0).example" }, Self.settings(names))
        #expect(started.value == NameResolver.maximumThreads)
    }

    @Test("a name of the hosts file is found the system's way")
    func system() throws {
        #expect(try NameLookup.system("localhost").contains { $0 == .v4(IPv4Address(127, 0, 0, 1)) })
        #expect(throws: NameLookup.Failure.self) { try NameLookup.system("no such name") }
        let none = NameLookup.system("no such name", known: [.ipv4])
        #expect(none.addresses.isEmpty && none.failure != nil)
        #expect(NameLookup.system("127.0.0.1", known: [.ipv4, .ipv6]) == .init(addresses: [Self.address(1)]))
    }

    @Test("one address keeps the server's name, several make a server each")
    func placing() {
        var settings = Configuration.BackendSettings(
            name: "b", servers: [.init(name: "emqx", host: .name("a.example", port: 1883))])
        settings.servers[0].weight = 3
        func place(_ addresses: [IPAddress]) -> [String] {
            BackendRuntime.place(settings, ["a.example": .init(addresses: addresses)]).map {
                "\($0.settings.name) \($0.settings.host) \($0.address) \($0.settings.weight)"
            }
        }
        #expect(place([]) == [])
        #expect(place([Self.address(2)]) == ["emqx a.example 127.0.0.2:1883 3"])
        #expect(
            place([Self.address(2), Self.address(3)]) == [
                "emqx-127.0.0.2 127.0.0.2 127.0.0.2:1883 3", "emqx-127.0.0.3 127.0.0.3 127.0.0.3:1883 3",
            ])
        #expect(place((1...100).map { Self.address($0) }).count == Configuration.maximumAddressesOfName)
    }

    @Test("sessions follow a name that moves, and those that live stay where they are")
    func moving() throws {
        let first = try Broker()
        let second = try Broker(at: SocketAddress(Self.address(77), port: first.address.port))
        defer {
            first.stop()
            second.stop()
        }
        let port = first.address.port
        let rig = try Rig(
            [], loops: 2,
            backend: { $0.servers = [.init(name: "emqx", host: .name("a.example", port: port))] })
        #expect(!rig.backend.current.isSettled)
        let early = try rig.client()
        try early.send(try connect("early"))
        #expect(try early.receive(4) == refused(3))
        early.close()
        try rig.backend.apply(["a.example": .init(addresses: [Self.address(1)])], seed: 1, at: Clock.now)
        let old = try rig.session("old")
        #expect(first.seen.accepted == 1)
        try rig.backend.apply(["a.example": .init(addresses: [Self.address(77)])], seed: 1, at: Clock.now)
        let new = try rig.session("new")
        #expect(second.seen.accepted == 1)
        #expect(rig.loads == [2])
        #expect(rig.backend.hostName(0) == "a.example")
        try old.exchange(pingreq, expecting: pingreq)
        try new.exchange(pingreq, expecting: pingreq)
        try rig.backend.apply(
            ["a.example": .init(addresses: [Self.address(1), Self.address(77)])], seed: 1, at: Clock.now)
        try old.exchange(pingreq, expecting: pingreq)
        #expect(
            rig.backend.current.servers.filter { !$0.isRetired }.map(\.settings.name) == [
                "emqx-127.0.0.1", "emqx-127.0.0.77",
            ])
        old.close()
        new.close()
        rig.finish()
    }
}
