// The names behind the numbers that stand in slots, and the addresses behind names.

import Balancing
import Configuration
import Wire

/// Listeners, backends with their servers, and tables, by number; and what was known of the names that are looked up.
///
/// A successor gives the same names the same numbers (`Registry.reserve`), so that a session whose numbers were translated is
/// right under the former directory and under the new one: the successor may die at any moment of its adoption.
struct SurvivalDirectory: Equatable, Sendable {
    struct Backend: Equatable, Sendable {
        let name: String
        var servers: [String]
    }

    let listeners: [String]
    var backends: [Backend]
    let tables: [String]
    /// The last good addresses of each name, ascending, at most ``Configuration/maximumAddressesOfName``. A successor begins with
    /// them and asks nobody first: its servers are its predecessor's, whoever answers meanwhile. A program that is older than this
    /// left none, and takes no notice of them.
    var addresses: [String: [IPAddress]] = [:]

    init(listeners: [String], backends: [Backend], tables: [String]) {
        self.listeners = listeners
        self.backends = backends
        self.tables = tables
    }

    init(_ snapshot: Snapshot) { self.init(snapshot.listeners, snapshot.backends, snapshot.tables) }

    init(_ registry: Registry) {
        self.init(registry.listeners, registry.backends, registry.allTables)
        addresses = registry.resolver.answers.mapValues(\.addresses)
    }

    private init(_ listeners: [ListenerRuntime], _ backends: [BackendRuntime], _ tables: [TableRuntime]) {
        self.listeners = listeners.map(\.settings.name)
        self.backends = backends.map { backend in
            Backend(name: backend.name, servers: backend.current.servers.map(\.settings.name))
        }
        self.tables = tables.map(\.name)
    }

    // MARK: In memory

    var json: JSON {
        [
            "listeners": .array(listeners.map { .string($0) }), "tables": .array(tables.map { .string($0) }),
            "backends": .array(
                backends.map { ["name": .string($0.name), "servers": .array($0.servers.map { .string($0) })] }),
            "addresses": .object(
                addresses.sorted { $0.key < $1.key }.map { name, addresses in
                    JSON.Member(name, .array(addresses.map { .string("\($0)") }))
                }),
        ]
    }

    init?(_ json: JSON) {
        func names(_ value: JSON?) -> [String]? {
            guard let array = value?.array else { return nil }
            let names = array.compactMap(\.string)
            return names.count == array.count ? names : nil
        }
        guard let listeners = names(json["listeners"]), let tables = names(json["tables"]),
            let backends = json["backends"]?.array
        else { return nil }
        var known: [Backend] = []
        for backend in backends {
            guard let name = backend["name"]?.string, let servers = names(backend["servers"]) else { return nil }
            known.append(Backend(name: name, servers: servers))
        }
        self.init(listeners: listeners, backends: known, tables: tables)
        for member in json["addresses"]?.members ?? [] {
            guard let texts = names(member.value) else { return nil }
            let found = texts.compactMap { IPAddress($0) }
            guard found.count == texts.count, found.count <= Configuration.maximumAddressesOfName else { return nil }
            addresses[member.name] = found
        }
    }

    // MARK: Translation

    /// From a predecessor's numbers to ours; `nil` for what is not in the configuration any more.
    struct Translation: Sendable {
        let listeners: [UInt16?]
        let backends: [UInt32?]
        let servers: [[UInt16?]]
        let tables: [UInt16?]
    }

    func translation(to snapshot: Snapshot) -> Translation {
        let own = SurvivalDirectory(snapshot)
        // Where a name was used twice, by what was removed and what came later, the later is in force. What has no name any
        // more is in nobody's.
        func place(_ name: String, _ names: [String]) -> Int? { name.isEmpty ? nil : names.lastIndex(of: name) }
        let backendPlaces = backends.map { backend in place(backend.name, own.backends.map(\.name)) }
        return Translation(
            listeners: listeners.map { place($0, own.listeners).map { UInt16($0) } },
            backends: backendPlaces.map { $0.map { UInt32($0) } },
            servers: zip(backends, backendPlaces).map { backend, number in
                backend.servers.map { name in
                    number.flatMap { place(name, own.backends[$0].servers) }.map { UInt16($0) }
                }
            },
            tables: tables.map { place($0, own.tables).map { UInt16($0) } })
    }
}
