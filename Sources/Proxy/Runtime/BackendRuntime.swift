// A backend in force: its servers under one short lock, and the table its clients stick by.

import Balancing
import Configuration
import Synchronization
import Wire

/// Shares one ``Balancing/Backend`` between the loops, the prober and the operator.
///
/// The lock is taken once when a session chooses its server and once when it ends; nothing in it waits.
final class BackendRuntime: Sendable {
    /// Where a session goes.
    struct Destination: Sendable {
        let server: Int
        let address: SocketAddress
        let because: Choice.Because
        let reroutedFrom: Int?
    }

    /// The numbers of a configuration that sessions need.
    struct Limits: Sendable {
        var connectTimeout: Int64
        var connackTimeout: Int64
        var maximumTries: Int
        /// The PROXY header that connections begin with.
        var proxySending: Configuration.ProxySending?
    }

    /// A change of a server's status that has not been told yet.
    struct News: Sendable {
        let server: Int
        let transition: HealthState.Transition
    }

    /// Most changes kept for the main thread; it fetches them within milliseconds.
    private static let newsLimit = 1024

    private struct State {
        var backend: Backend
        var news: [News] = []
        /// By server index.
        var addresses: [SocketAddress]
        var limits: Limits
        var table: TableRuntime?
        var check: Configuration.CheckSettings
        var checkHeader: Configuration.CheckHeader
    }

    let number: UInt32
    let name: String
    private let state: Mutex<State>
    /// Rung when an event may have brought the next check forward.
    private let checksMoved: @Sendable () -> Void

    init(
        number: UInt32, settings: Configuration.BackendSettings, table: TableRuntime?, seed: UInt64, at now: Instant,
        checksMoved: @escaping @Sendable () -> Void
    ) throws(Backend.TooManyServers) {
        self.number = number
        name = settings.name
        self.checksMoved = checksMoved
        let backend = try Backend(Self.translate(settings), seed: seed, at: now)
        state = Mutex(
            State(
                backend: backend, addresses: Self.addresses(backend, settings), limits: Self.limits(settings),
                table: table,
                check: settings.check, checkHeader: settings.checkHeader))
    }

    // MARK: Sessions

    /// Chooses a server for a session and counts the session there.
    ///
    /// - Parameters:
    ///   - source: The client's address.
    ///   - stuck: The server that the stick table names.
    func start(key: Span<UInt8>, source: IPAddress, stuck: Server.ID?, tried: TriedServers) -> Destination? {
        // A span cannot enter the lock's closure: the key, copied once for each connection, can.
        let id = Self.copy(key)
        return state.withLock { state in
            let stuckIndex = stuck.flatMap { state.backend.index(of: $0) }
            guard
                let choice = state.backend.choose(key: id.span, source: source, stuck: stuckIndex, tried: tried)
            else { return nil }
            state.backend.sessionStarted(on: choice.server)
            return Destination(
                server: choice.server, address: state.addresses[choice.server], because: choice.because,
                reroutedFrom: choice.reroutedFrom)
        }
    }

    private static func copy(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(span.count)
        for index in 0..<span.count { bytes.append(span[index]) }
        return bytes
    }

    /// A session that was counted on a server is over, or goes elsewhere.
    func end(on server: Int) { state.withLock { $0.backend.sessionEnded(on: server) } }

    /// Somebody learned something about a server's health: a session, the prober, the operator.
    ///
    /// What it changes waits for ``fetchNews()``.
    func report(_ event: HealthState.Event, server: Int, at now: Instant) {
        state.withLock { state in
            guard let transition = state.backend.handle(event, server: server, at: now) else { return }
            if state.news.count < Self.newsLimit { state.news.append(News(server: server, transition: transition)) }
        }
        checksMoved()
    }

    /// The changes since the last call, oldest first.
    func fetchNews() -> [News] {
        state.withLock { state in
            defer { state.news.removeAll() }
            return state.news
        }
    }

    var limits: Limits { state.withLock { $0.limits } }
    /// The table its clients stick by.
    var table: TableRuntime? { state.withLock { $0.table } }

    func serverID(_ server: Int) -> Server.ID { state.withLock { $0.backend.servers[server].id } }
    func serverName(_ server: Int) -> String { state.withLock { $0.backend.servers[server].settings.name } }
    func serverIndex(named name: String) -> Int? { state.withLock { $0.backend.index(of: Server.id(named: name)) } }

    // MARK: Checks and the operator

    /// The value as it is now: for status and for the prober.
    var current: Backend { state.withLock { $0.backend } }

    /// How servers are checked.
    var check: Configuration.CheckSettings { state.withLock { $0.check } }

    /// The PROXY header a check begins with; empty: none.
    ///
    /// - Parameter local: this end of the check's connection.
    func checkHeader(_ server: Int, from local: SocketAddress?) -> [UInt8] {
        state.withLock { state in
            ProxyGreeting.check(
                state.limits.proxySending, state.checkHeader, local: local, server: state.addresses[server])
        }
    }

    func address(_ server: Int) -> SocketAddress { state.withLock { $0.addresses[server] } }

    /// Starts the checks that are due; the caller owes one result for each.
    func startDueChecks(at now: Instant) -> [Int] { state.withLock { $0.backend.startDueChecks(at: now) } }

    func setWeight(_ weight: Int, server: Int) { state.withLock { $0.backend.setWeight(weight, server: server) } }

    /// Applies the settings of a reload; sessions keep their servers.
    func apply(
        _ settings: Configuration.BackendSettings, table: TableRuntime?, seed: UInt64, at now: Instant
    ) throws(Backend.TooManyServers) {
        let translated = Self.translate(settings)
        let refused = state.withLock { state -> Backend.TooManyServers? in
            do throws(Backend.TooManyServers) {
                try state.backend.apply(translated, seed: seed, at: now)
            } catch {
                return error
            }
            state.addresses = Self.addresses(state.backend, settings, former: state.addresses)
            state.limits = Self.limits(settings)
            state.check = settings.check
            state.checkHeader = settings.checkHeader
            state.table = table
            return nil
        }
        if let refused { throw refused }
        checksMoved()
    }

    // MARK: Translation

    private static func translate(_ settings: Configuration.BackendSettings) -> Backend.Settings {
        let algorithm: Backend.Algorithm =
            switch settings.algorithm {
            case .roundRobin: .roundRobin
            case .leastConnections: .leastConnections
            case .hashClientID: .hash()
            case .source: .source
            }
        let check: CheckSettings? =
            settings.check.kind == .none
            ? nil
            : CheckSettings(
                interval: settings.check.interval, rise: settings.check.rise, fall: settings.check.fall)
        let servers = settings.servers.map { server in
            let host =
                switch server.address.address {
                case .v4(let v4): "\(v4)"
                case .v6(let v6): "[\(v6)]"
                }
            return Server.Settings(
                name: server.name, host: host, port: server.address.port, weight: server.weight,
                isBackup: server.backup, administrative: server.disabled ? .maintenance : .ready)
        }
        return Backend.Settings(algorithm: algorithm, check: check, servers: servers)
    }

    private static func limits(_ settings: Configuration.BackendSettings) -> Limits {
        Limits(
            connectTimeout: settings.connectTimeout.nanoseconds, connackTimeout: settings.connackTimeout.nanoseconds,
            maximumTries: settings.maximumTries, proxySending: settings.proxySending)
    }

    private static func addresses(
        _ backend: Backend, _ settings: Configuration.BackendSettings, former: [SocketAddress] = []
    ) -> [SocketAddress] {
        let byName = Dictionary(settings.servers.map { ($0.name, $0.address) }, uniquingKeysWith: { a, _ in a })
        return backend.servers.indices.map { index in
            let server = backend.servers[index]
            if !server.isRetired, let address = byName[server.settings.name] { return address }
            precondition(index < former.count, "a server without an address")
            return former[index]
        }
    }
}
