// Everything a configuration names, alive: listeners, backends, tables, kept over reloads.

import Balancing
import Configuration
import Control
import Linux
import TLS
import Wire

/// Turns configurations into ``Snapshot``s, keeping what lives on: backends with their health and sessions, tables with
/// their entries, listeners with their counts.
///
/// Main thread only. ``prepare(_:)`` checks everything that can fail and changes nothing; ``commit(_:)`` fails for want of a
/// thread alone, before it has changed anything.
final class Registry {
    /// What cannot be had, as a sentence for the operator.
    struct Refusal: Error {
        let reason: String
    }

    private(set) var listeners: [ListenerRuntime] = []
    private(set) var backends: [BackendRuntime] = []
    /// By number; removed ones stay, for the sessions that were learned in them.
    private(set) var allTables: [TableRuntime] = []
    private(set) var tables: [TableRuntime] = []
    /// Backends and tables of the configuration in force; the arrays above also keep removed ones.
    private(set) var activeBackends: [BackendRuntime] = []

    /// Where records about sessions go, once there are loops.
    var sessionLog: SessionLog?
    /// Writes down what numbers mean, for a successor: called before a session can begin under a new meaning.
    var remember: (SurvivalDirectory) -> Void = { _ in }

    /// The contexts in force.
    private var encryption = Encryption()
    private let hashKey: StickTable.HashKey
    private let node: UInt32
    private let seed: UInt64
    /// What the numbers in the sessions of a former process mean, until the first commit.
    private var former: SurvivalDirectory?
    private let checksMoved: @Sendable () -> Void
    private let tablesChanged: @Sendable () -> Void
    /// Finds the servers that are written by name.
    let resolver: NameResolver

    /// - Parameter former: What the numbers in the sessions of a former process mean: the same names get the same numbers, so
    ///   that a session is right under either directory at any moment of its adoption.
    init(
        node: UInt32, hashKey: StickTable.HashKey, resolver: NameResolver, former: SurvivalDirectory? = nil, checksMoved: @escaping @Sendable () -> Void,
        tablesChanged: @escaping @Sendable () -> Void
    ) {
        self.node = node
        self.hashKey = hashKey
        self.resolver = resolver
        self.former = former
        // Jitter must differ between hosts and starts, nothing more.
        seed = UInt64(truncatingIfNeeded: Clock.wallMicroseconds) ^ UInt64(node) << 32
        self.checksMoved = checksMoved
        self.tablesChanged = tablesChanged
    }

    /// A configuration that can be had: what ``commit(_:)`` needs.
    struct Prepared {
        let configuration: Configuration
        fileprivate let loops: Int
        fileprivate let sockets: [String: [[Int32]]]
        fileprivate let regions: [String: MemoryRegion]
        fileprivate let identityKeys: [String: IdentityKey]
        fileprivate let encryption: Encryption
    }

    /// Looks whether everything the configuration names is there.
    ///
    /// - Parameters:
    ///   - loops: Event loops, each of which needs a socket of its own for every address.
    ///   - descriptor: The number of a descriptor the supervisor handed over.
    func prepare(
        _ configuration: Configuration, loops: Int, descriptor: (DescriptorName) -> Int32?
    ) throws(Refusal) -> Prepared {
        var sockets: [String: [[Int32]]] = [:]
        for listener in configuration.listeners {
            var byBind: [[Int32]] = []
            for bind in listener.binds.indices {
                var byLoop: [Int32] = []
                for loop in 0..<loops {
                    guard let number = descriptor(.listener(listener.name, bind: bind, loop: loop)) else {
                        throw Refusal(
                            reason: "no socket came for \(listener.name), \(listener.binds[bind]), loop \(loop)")
                    }
                    byLoop.append(number)
                }
                byBind.append(byLoop)
            }
            sockets[listener.name] = byBind
        }
        var regions: [String: MemoryRegion] = [:]
        for table in configuration.tables where !tables.contains(where: { $0.fits(table) }) {
            guard let number = descriptor(.table(table.name)) else {
                throw Refusal(reason: "no memory came for stick table \(table.name)")
            }
            let region: MemoryRegion
            do { region = try Memfd.map(number, alignment: HugePages.size) } catch {
                throw Refusal(reason: "stick table \(table.name): \(error)")
            }
            guard region.count >= TableRuntime.bytes(for: table) else {
                throw Refusal(reason: "the memory of stick table \(table.name) is too small")
            }
            regions[table.name] = region
        }
        try checkSources(configuration)
        try checkRoom(configuration)
        let encryption = try Encryption(configuration, former: encryption, descriptor: descriptor)
        return Prepared(
            configuration: configuration, loops: loops, sockets: sockets, regions: regions,
            identityKeys: try Self.identityKeys(configuration, descriptor), encryption: encryption)
    }

    /// The keys of client identities, by the names of their files.
    private static func identityKeys(
        _ configuration: Configuration, _ descriptor: (DescriptorName) -> Int32?
    ) throws(Refusal) -> [String: IdentityKey] {
        var keys: [String: IdentityKey] = [:]
        for path in configuration.identityKeyFiles {
            guard let number = descriptor(.identityKey(path)) else { throw Refusal(reason: "no key came for \(path)") }
            do {
                let contents = try Memfd.contents(number, limit: PairSecret.maximumFileSize)
                keys[path] = try IdentityKey(PairSecret(parsing: contents))
            } catch {
                throw Refusal(reason: "the identity key \(path): \(error)")
            }
        }
        return keys
    }

    /// Source addresses must be here, or every session fails; a virtual one comes and goes.
    private func checkSources(_ configuration: Configuration) throws(Refusal) {
        let wanted = configuration.backends.flatMap { backend in
            configuration.sources(of: backend).compactMap { source in source.address.map { (backend.name, $0) } }
        }
        guard !wanted.isEmpty else { return }
        let virtual = configuration.routers.flatMap { $0.addresses.map(\.address) }
        let own: [IPAddress]
        do { own = try LocalAddresses.all() } catch { throw Refusal(reason: "\(error)") }
        for (backend, address) in wanted where !own.contains(address) && !virtual.contains(address) {
            // All of 127.0.0.0/8 is here, though the kernel lists only one of it.
            if case .v4(let v4) = address, v4.octets[0] == 127 { continue }
            throw Refusal(reason: "backend \(backend): this host does not have the source address \(address)")
        }
    }

    /// Every backend must have room for what its names may turn out to be, beside what drains, whatever the resolver answers.
    private func checkRoom(_ configuration: Configuration) throws(Refusal) {
        for backend in configuration.backends {
            let most = backend.servers.reduce(0) { $0 + ($1.hostName == nil ? 1 : Configuration.maximumAddressesOfName) }
            guard most <= Backend.maximumServers / 2 else {
                throw Refusal(reason: "backend \(backend.name) may have more than \(Backend.maximumServers / 2) servers")
            }
            guard let known = backends.first(where: { $0.name == backend.name }) else { continue }
            // Those that this configuration retires drain as well.
            let draining = known.current.servers.count { !$0.isRetired || $0.connections > 0 }
            guard most + draining <= Backend.maximumServers else {
                throw Refusal(reason: "backend \(backend.name): too many of its former servers still drain")
            }
            var sources = known.sources
            guard sources.apply(Self.sources(configuration, backend), ports: sources.ports) else {
                throw Refusal(reason: "backend \(backend.name): too many of its former sources still carry sessions")
            }
        }
    }

    private static func sources(
        _ configuration: Configuration, _ backend: Configuration.BackendSettings
    ) -> [SourcePool.Settings] {
        configuration.sources(of: backend).map { SourcePool.Settings(address: $0.address, share: $0.share) }
    }

    /// Hands the resolver's answers to the backends.
    ///
    /// - Returns: what could not be done, as sentences for the log.
    func namesChanged() -> [String] {
        let answers = resolver.answers
        var directory = SurvivalDirectory(self)
        directory.addresses = answers.mapValues(\.addresses)
        return activeBackends.filter(\.hasNames).compactMap { backend in
            do throws(Backend.TooManyServers) {
                try backend.apply(answers, seed: seed, at: Clock.now) { rename(backend, $0, in: &directory) }
                return nil
            } catch {
                return "backend \(backend.name): \(error.count) servers are too many; the former ones stay"
            }
        }
    }

    private func rename(_ backend: BackendRuntime, _ servers: [String], in directory: inout SurvivalDirectory) {
        directory.backends[Int(backend.number)].servers = servers
        remember(directory)
    }

    /// The sessions of a former process are judged: what they might have needed may be given to others.
    func forgetFormer() { for backend in backends { backend.forgetFormer() } }

    /// How long the first configuration waits for names.
    private static let firstAnswers: Duration = .milliseconds(500)

    private func lookUp(_ configuration: Configuration) throws(Refusal) {
        var names: [String] = []
        for name in configuration.backends.flatMap({ $0.servers.compactMap(\.hostName) }) where !names.contains(name) {
            names.append(name)
        }
        do throws(Errno) {
            try resolver.watch(names, configuration.resolver)
        } catch {
            throw Refusal(reason: "no thread for the resolver: \(error)")
        }
        // Before the first client there is nobody who waits; later the answers come when they come. A successor's sessions wait,
        // and `vip` does not for long: it goes on with what its predecessor knew.
        if backends.isEmpty, former == nil, !names.isEmpty { resolver.awaitFirst(until: Clock.now + Self.firstAnswers) }
    }

    /// Places without a name for what a former process had and this configuration has not, and for what it has until it comes.
    ///
    /// Sessions in such a place go to nobody: they are closed when they are judged.
    private func reserve(_ former: SurvivalDirectory, for configuration: Configuration, at now: Instant) throws(Refusal) {
        let names = Set(configuration.tables.map(\.name))
        var gone: [TableRuntime] = []
        var shared: MemoryRegion?
        for (place, name) in former.tables.enumerated() {
            var settings = Configuration.TableSettings(name: names.contains(name) ? name : "")
            settings.size = 1
            // A place that its table takes at once is never opened, so one memory does for all of them.
            let region: MemoryRegion
            if let shared, names.contains(name) {
                region = shared
            } else {
                region = try Self.smallRegion(settings)
                if names.contains(name) { shared = region }
            }
            gone.append(
                TableRuntime(
                    number: UInt16(place), settings: settings, node: node, hashKey: hashKey, region: region, isDeferred: true,
                    at: now, changed: {}))
        }
        allTables = gone
        backends = former.backends.indices.map { place in
            do throws(Backend.TooManyServers) {
                return try BackendRuntime(
                    number: UInt32(place), settings: Configuration.BackendSettings(name: "", servers: []), table: nil,
                    seed: seed, at: now, checksMoved: {})
            } catch {
                preconditionFailure("no servers are never too many")
            }
        }
        listeners = former.listeners.indices.map { place in
            ListenerRuntime(
                number: UInt16(place), settings: Configuration.ListenerSettings(name: "", binds: [], backend: ""), sockets: [],
                backend: 0, isActive: false, sessions: nil)
        }
    }

    private static func smallRegion(_ settings: Configuration.TableSettings) throws(Refusal) -> MemoryRegion {
        do throws(Errno) {
            let file = try Memfd.create(name: "understudy-table-gone", size: TableRuntime.bytes(for: settings))
            return try Memfd.map(file.number)
        } catch {
            throw Refusal(reason: "no memory for the place of a former stick table: \(error)")
        }
    }

    /// Makes the prepared configuration the one in force.
    func commit(_ prepared: Prepared) throws(Refusal) -> Snapshot {
        let configuration = prepared.configuration
        // First what may fail: behind it everything changes.
        try lookUp(configuration)
        let now = Clock.now
        if let former { try reserve(former, for: configuration, at: now) }
        encryption = prepared.encryption
        for settings in configuration.tables {
            if let known = tables.first(where: { $0.fits(settings) }) {
                known.apply(settings)
                continue
            }
            guard let region = prepared.regions[settings.name] else { continue }
            let place = former?.tables.lastIndex(of: settings.name) ?? allTables.count
            let table = TableRuntime(
                number: UInt16(place), settings: settings, node: node, hashKey: hashKey, region: region,
                isDeferred: former != nil, at: now, changed: tablesChanged)
            tables.removeAll { $0.name == settings.name }
            tables.append(table)
            if place < allTables.count { allTables[place] = table } else { allTables.append(table) }
        }
        tables.removeAll { table in !configuration.tables.contains { $0.name == table.name } }

        let answers = resolver.answers
        var directory = SurvivalDirectory(self)
        activeBackends = []
        for settings in configuration.backends {
            let table = settings.stickTable.flatMap { name in tables.first { $0.name == name } }
            let sources = Self.sources(configuration, settings)
            do throws(Backend.TooManyServers) {
                if let known = backends.first(where: { $0.name == settings.name }) {
                    try known.apply(
                        settings, answers: answers, sources: sources, table: table,
                        tls: encryption.backend(settings.name), seed: seed, at: now
                    ) { rename(known, $0, in: &directory) }
                    activeBackends.append(known)
                } else {
                    let place = former?.backends.lastIndex { $0.name == settings.name } ?? backends.count
                    let servers = former.map { place < $0.backends.count ? $0.backends[place].servers : [] } ?? []
                    let backend = try BackendRuntime(
                        number: UInt32(place), settings: settings,
                        former: servers.count <= Backend.maximumServers / 2 ? servers : [], answers: answers,
                        sources: sources, table: table, tls: encryption.backend(settings.name), seed: seed, at: now,
                        checksMoved: checksMoved)
                    if place < backends.count { backends[place] = backend } else { backends.append(backend) }
                    activeBackends.append(backend)
                }
            } catch {
                preconditionFailure("there was room for \(settings.name) when it was prepared, not for \(error.count) servers")
            }
        }

        var next = listeners.map { $0.isActive ? $0.inactive : $0 }
        for settings in configuration.listeners {
            guard let backend = activeBackends.first(where: { $0.name == settings.backend }) else {
                throw Refusal(reason: "listener \(settings.name) uses an unknown backend")
            }
            var routes: RouteTable?
            if !settings.routes.isEmpty {
                routes = RouteTable.translate(settings, otherwise: backend.number) { name in
                    activeBackends.first { $0.name == name }?.number
                }
                guard routes != nil else {
                    throw Refusal(reason: "a rule of listener \(settings.name) names an unknown backend")
                }
            }
            let place =
                former?.listeners.lastIndex(of: settings.name)
                ?? next.firstIndex { $0.settings.name == settings.name } ?? next.count
            let listener = ListenerRuntime(
                number: UInt16(place), settings: settings, sockets: prepared.sockets[settings.name] ?? [],
                backend: backend.number, routes: routes, isActive: true,
                sessions: place < next.count ? next[place].sessions : nil,
                totals: place < next.count ? next[place].totals : nil,
                admission: place < next.count ? next[place].admission : nil,
                identity: IdentityPolicy(
                    settings.rewriting,
                    keys: prepared.identityKeys.filter { settings.rewriting.keyFiles.contains($0.key) }),
                tls: encryption.listener(settings.name))
            if place < next.count { next[place] = listener } else { next.append(listener) }
        }
        listeners = next
        former = nil
        sessionLog?.setFormat(configuration.log.sessionFormat)
        let perLoop = (configuration.maximumSessions + prepared.loops - 1) / max(1, prepared.loops)
        return Snapshot(
            listeners: listeners, backends: backends, tables: allTables,
            recording: SessionRecording(configuration.log, sessionLog), closeSpread: configuration.closeSpread,
            sessionsPerLoop: perLoop)
    }
}
