// What a successor's configuration gives the numbers that stand in the sessions of a former process.

import Balancing
import Configuration
import Control
import Linux
import Testing
import Wire

@testable import Proxy

@Suite("A successor's numbers")
struct RegistryTests {
    /// Before the reload that put a server, a backend, a listener and a table in front of the others, and took some away.
    private static let former = SurvivalDirectory(
        listeners: ["removed", "plain", "secure"],
        backends: [
            .init(name: "gone", servers: ["g"]), .init(name: "brokers", servers: ["moved", "one", "retired", "two", "moved"]),
        ],
        tables: ["kept", "dropped"])

    private static func configuration() -> Configuration {
        func server(_ name: String, _ port: UInt16) -> Configuration.ServerSettings {
            Configuration.ServerSettings(name: name, host: .address(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: port)))
        }
        var configuration = Configuration()
        configuration.backends = [
            Configuration.BackendSettings(name: "new", servers: [server("n", 1)]),
            Configuration.BackendSettings(
                name: "brokers", servers: [server("zero", 2), server("one", 3), server("two", 4), server("moved", 5)]),
        ]
        configuration.tables = [Configuration.TableSettings(name: "fresh"), Configuration.TableSettings(name: "kept")]
        for index in configuration.tables.indices { configuration.tables[index].size = 16 }
        configuration.listeners = ["first", "secure", "plain"].map {
            Configuration.ListenerSettings(name: $0, binds: [], backend: "brokers")
        }
        return configuration
    }

    private static func registry(_ former: SurvivalDirectory?) throws -> Registry {
        Registry(
            node: 1, hashKey: StickTable.HashKey(1, 2), resolver: try NameResolver {}, former: former, checksMoved: {},
            tablesChanged: {})
    }

    private static func commit(_ registry: Registry, _ configuration: Configuration) throws -> Snapshot {
        let numbers = try configuration.tables.map { table in
            (table.name, try Memfd.create(name: "table", size: TableRuntime.bytes(for: table)).release())
        }
        defer { for (_, number) in numbers { Descriptor.close(number) } }
        let prepared = try registry.prepare(configuration, loops: 1) { name in
            // Of listeners: no socket, they only stand in a list here.
            numbers.first { .table($0.0) == name }?.1
        }
        return try registry.commit(prepared)
    }

    @Test("are those of the same names before, so that a session is right whether it was translated or not")
    func idempotent() throws {
        let registry = try Self.registry(Self.former)
        let snapshot = try Self.commit(registry, Self.configuration())
        let first = Self.former.translation(to: snapshot)
        #expect(first.listeners == [nil, 1, 2])
        #expect(first.backends == [nil, 1])
        // A name that stood twice is in force where it stood last; sessions of a server that was removed go on there.
        #expect(first.servers == [[nil], [4, 1, 2, 3, 4]])
        #expect(first.tables == [0, nil])
        // The next process reads sessions that this one has translated, and others that it has not, by this one's directory.
        let second = SurvivalDirectory(snapshot).translation(to: snapshot)
        #expect(Array(second.listeners.prefix(3)) == first.listeners)
        #expect(Array(second.backends.prefix(2)) == first.backends)
        #expect(Array(second.servers[1].prefix(5)) == first.servers[1])
        #expect(Array(second.tables.prefix(2)) == first.tables)
        for (place, number) in first.servers[1].enumerated() {
            guard let number else { continue }
            #expect(second.servers[1][Int(number)] == number, "server \(place)")
        }
        // What is new stands behind, with its own name.
        #expect(snapshot.listeners.map(\.settings.name) == ["", "plain", "secure", "first"])
        #expect(snapshot.listeners.map(\.isActive) == [false, true, true, true])
        #expect(snapshot.backends.map(\.name) == ["", "brokers", "new"])
        #expect(
            snapshot.backends[1].current.servers.map(\.settings.name) == ["moved", "one", "retired", "two", "moved", "zero"])
        #expect(snapshot.backends[1].current.servers.map(\.isRetired) == [true, false, true, false, false, false])
        #expect(snapshot.tables.map(\.name) == ["kept", "", "fresh"])
        for (number, listener) in snapshot.listeners.enumerated() { #expect(Int(listener.number) == number) }
        for (number, backend) in snapshot.backends.enumerated() { #expect(Int(backend.number) == number) }
        for (number, table) in snapshot.tables.enumerated() { #expect(Int(table.number) == number) }
        #expect(registry.activeBackends.map(\.name) == ["new", "brokers"])
    }

    @Test("are given to others once the sessions are judged, where there are none")
    func released() throws {
        let registry = try Self.registry(Self.former)
        var configuration = Self.configuration()
        let brokers = try Self.commit(registry, configuration).backends[1]
        _ = brokers.inherit(2, on: 2, source: .max)
        registry.forgetFormer()
        var written: [SurvivalDirectory] = []
        registry.remember = { written.append($0) }
        let another = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 6)
        configuration.backends[1].servers.append(Configuration.ServerSettings(name: "another", host: .address(another)))
        let snapshot = try Self.commit(registry, configuration)
        #expect(snapshot.backends[1].current.servers[0].settings.name == "another")
        // What the number means now was written down before a session could begin there.
        #expect(written.map { $0.backends[1].servers } == [["another", "one", "retired", "two", "moved", "zero"]])
        #expect(snapshot.backends[1].current.servers[2].connections == 2)
        #expect(snapshot.backends[1].address(0) == another)
        #expect(snapshot.backends[1].current.servers.count == 6)
    }

    @Test("begin at 0 where nobody was before")
    func first() throws {
        let snapshot = try Self.commit(try Self.registry(nil), Self.configuration())
        #expect(snapshot.backends.map(\.name) == ["new", "brokers"])
        #expect(snapshot.listeners.map(\.settings.name) == ["first", "secure", "plain"])
        #expect(snapshot.tables.map(\.name) == ["fresh", "kept"])
    }
}
