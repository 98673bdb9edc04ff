// A successor whose servers are written by name: it goes on with what its predecessor knew, whoever answers.

import Balancing
import Configuration
import Linux
import Testing
import Wire

@testable import Proxy

@Suite("A successor's servers by name")
struct RegistryNamesTests {
    private static func address(_ last: UInt8) -> IPAddress { .v4(IPv4Address(10, 0, 0, last)) }

    private static func former(_ servers: [String], knowing addresses: [IPAddress]) -> SurvivalDirectory {
        var directory = SurvivalDirectory(listeners: [], backends: [.init(name: "brokers", servers: servers)], tables: [])
        if !addresses.isEmpty { directory.addresses = ["a.example": addresses] }
        return directory
    }

    /// A registry in force that begins where `former` ended, and asks a name server of the test's own.
    private static func registry(_ former: SurvivalDirectory, _ names: NameServer) throws -> Registry {
        var configuration = Configuration()
        configuration.resolver.server = names.address
        configuration.resolver.interval = .milliseconds(100)
        configuration.resolver.timeout = .milliseconds(500)
        configuration.backends = [
            Configuration.BackendSettings(name: "brokers", servers: [.init(name: "emqx", host: .name("a.example", port: 1883))])
        ]
        configuration.backends[0].check.kind = .none
        let registry = Registry(
            node: 1, hashKey: StickTable.HashKey(1, 2), resolver: try NameResolver(knowing: former.addresses) {},
            former: former, checksMoved: {}, tablesChanged: {})
        _ = try registry.commit(try registry.prepare(configuration, loops: 1) { _ in nil })
        return registry
    }

    /// Places with their addresses: `-` is one that takes no new sessions.
    private static func places(_ registry: Registry) -> [String] {
        let brokers = registry.activeBackends[0]
        let servers = brokers.current.servers
        return servers.indices.map { index in
            servers[index].isRetired ? "- \(servers[index].settings.name)" : "\(servers[index].settings.name) \(brokers.address(index))"
        }
    }

    private static func loads(_ registry: Registry) -> [Int] {
        registry.activeBackends[0].current.servers.map(\.connections)
    }

    @Test("are its predecessor's while nobody answers, and sessions stay where they are when the answers differ")
    func known() throws {
        let names = try NameServer()
        defer { names.stop() }
        names.setSilent(true)
        let former = Self.former(["emqx-10.0.0.7", "emqx-10.0.0.8"], knowing: [Self.address(7), Self.address(8)])
        let registry = try Self.registry(former, names)
        defer { registry.resolver.stop() }
        #expect(Self.places(registry) == ["emqx-10.0.0.7 10.0.0.7:1883", "emqx-10.0.0.8 10.0.0.8:1883"])
        #expect(registry.activeBackends[0].current.isSettled)
        var written = SurvivalDirectory(registry)
        #expect(written.addresses == former.addresses)
        let brokers = registry.activeBackends[0]
        _ = brokers.inherit(3, on: 0, source: .max)
        _ = brokers.inherit(2, on: 1, source: .max)
        registry.forgetFormer()
        registry.remember = { written = $0 }

        names.set("a.example", [Self.address(7)])
        names.setSilent(false)
        #expect(eventually { registry.resolver.answers["a.example"]?.addresses == [Self.address(7)] })
        #expect(registry.namesChanged() == [])
        #expect(Self.places(registry) == ["- emqx-10.0.0.7", "- emqx-10.0.0.8", "emqx 10.0.0.7:1883"])
        #expect(Self.loads(registry) == [3, 2, 0])
        #expect(written == SurvivalDirectory(registry))

        // The next process finds a server that is there, and two whose sessions go on.
        let after = try #require(SurvivalDirectory(try JSON(parsing: written.json.text)))
        #expect(after == written)
        names.setSilent(true)
        let next = try Self.registry(after, names)
        defer { next.resolver.stop() }
        #expect(Self.places(next) == ["- emqx-10.0.0.7", "- emqx-10.0.0.8", "emqx 10.0.0.7:1883"])
        let snapshot = Snapshot(listeners: [], backends: next.backends, tables: [])
        #expect(after.translation(to: snapshot).servers == [[0, 1, 2]])
    }

    @Test("come back to their sessions where a predecessor had left no addresses")
    func unknown() throws {
        let names = try NameServer()
        defer { names.stop() }
        names.setSilent(true)
        let registry = try Self.registry(Self.former(["gone", "emqx-10.0.0.8", "emqx-10.0.0.7"], knowing: []), names)
        defer { registry.resolver.stop() }
        #expect(Self.places(registry) == ["- gone", "- emqx-10.0.0.8", "- emqx-10.0.0.7"])
        let brokers = registry.activeBackends[0]
        #expect(!brokers.current.isSettled)
        for server in 0..<3 { _ = brokers.inherit(server + 1, on: server, source: .max) }
        registry.forgetFormer()
        names.set("a.example", [Self.address(7), Self.address(9)])
        names.setSilent(false)
        #expect(eventually { registry.resolver.answers["a.example"]?.addresses.count == 2 })
        #expect(registry.namesChanged() == [])
        #expect(
            Self.places(registry) == [
                "- gone", "- emqx-10.0.0.8", "emqx-10.0.0.7 10.0.0.7:1883", "emqx-10.0.0.9 10.0.0.9:1883",
            ])
        #expect(Self.loads(registry) == [1, 2, 3, 0])
        for (server, sessions) in Self.loads(registry).enumerated() {
            for _ in 0..<sessions { brokers.end(on: server, source: .max) }
        }
        #expect(Self.loads(registry) == [0, 0, 0, 0])
    }

    @Test("and a directory with addresses that are none is none")
    func broken() throws {
        let text = #"{"listeners":[],"tables":[],"backends":[],"addresses":{"a.example":["10.0.0.7"]}}"#
        #expect(SurvivalDirectory(try JSON(parsing: text))?.addresses == ["a.example": [Self.address(7)]])
        for addresses in [#"["10.0.0"]"#, "7", "[" + (1...17).map { "\"10.0.0.\($0)\"" }.joined(separator: ",") + "]"] {
            let broken = text.replacing(#"["10.0.0.7"]"#, with: addresses)
            #expect(SurvivalDirectory(try JSON(parsing: broken)) == nil, "\(broken)")
        }
        // As a program wrote it that knew of none.
        let old = text.replacing(#","addresses":{"a.example":["10.0.0.7"]}"#, with: "")
        #expect(SurvivalDirectory(try JSON(parsing: old))?.addresses == [:])
    }
}
