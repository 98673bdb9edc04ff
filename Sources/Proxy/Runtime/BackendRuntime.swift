// A backend in force: its servers under one short lock, and the table its clients stick by.

import Balancing
import Configuration
import Linux
import Synchronization
import TLS
import Wire

/// Shares one ``Balancing/Backend`` between the loops, the prober and the operator.
///
/// The lock is taken once when a session chooses its server and once when it ends; nothing in it waits.
final class BackendRuntime: Sendable {
    /// Where a session goes.
    struct Destination: Sendable {
        let server: Int
        let address: SocketAddress
        /// Where the connection comes from: the source's index, and its address unless the kernel chooses.
        let source: Source
        let because: Choice.Because
        let reroutedFrom: Int?
        let transport: ServerTransport
    }

    /// A source address in use.
    struct Source: Sendable {
        let index: UInt8
        let address: IPAddress?
    }

    /// The numbers of a configuration that sessions need.
    struct Limits: Sendable {
        var connectTimeout: Int64
        var connackTimeout: Int64
        var maximumTries: Int
        /// The PROXY header that connections begin with.
        var proxySending: Configuration.ProxySending?
    }

    private struct State {
        var backend: Backend
        var news = ServerNews()
        /// When the hash rings were built last beside a choice.
        var ringsBuilt: Instant?
        /// By server index.
        var addresses: [SocketAddress]
        var transports: [ServerTransport]
        /// The settings of our handshakes with the servers; `nil`: they speak without TLS.
        var tls: TLSContext?
        var limits: Limits
        var table: TableRuntime?
        var sources: SourcePool
        /// What the file says, for the next answer of the resolver.
        var settings: Configuration.BackendSettings
        /// By name of server: the host name it was found by.
        var hostNames: [String: String] = [:]
    }

    let number: UInt32
    let name: String
    private let state: Mutex<State>
    /// Rung when an event may have brought the next check forward.
    private let checksMoved: @Sendable () -> Void

    init(
        number: UInt32, settings: Configuration.BackendSettings, former: [String] = [],
        answers: [String: NameResolver.Answer] = [:], sources: [SourcePool.Settings] = [], table: TableRuntime?, tls: TLSContext? = nil, seed: UInt64, at now: Instant,
        checksMoved: @escaping @Sendable () -> Void
    ) throws(Backend.TooManyServers) {
        self.number = number
        name = settings.name
        self.checksMoved = checksMoved
        let placed = Self.place(settings, answers)
        let backend = try Backend(Self.translate(settings, placed, answers), former: former, seed: seed, at: now)
        let nowhere = SocketAddress(.v4(IPv4Address(0, 0, 0, 0)), port: 0)
        state = Mutex(
            State(
                backend: backend,
                addresses: Self.addresses(
                    backend, placed, former: [SocketAddress](repeating: nowhere, count: former.count)),
                transports: Self.transports(
                    backend, placed, tls, former: [ServerTransport](repeating: ServerTransport(), count: former.count)), tls: tls, limits: Self.limits(settings),
                table: table, sources: SourcePool(sources, ports: LocalPorts.count), settings: settings,
                hostNames: Self.hostNames(placed)))
    }

    private static func hostNames(_ placed: [Placed]) -> [String: String] {
        Dictionary(
            placed.compactMap { server in server.hostName.map { (server.settings.name, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    // MARK: Sessions

    /// Chooses a server and a source for a session and counts the session there.
    ///
    /// - Parameters:
    ///   - client: the client's address and port.
    ///   - stuck: The server that the stick table names.
    func start(
        key: Span<UInt8>, client: SocketAddress, stuck: Server.ID?, tried: TriedServers, at now: Instant
    ) -> Destination? {
        // A span cannot enter the lock's closure: the key, copied once for each connection, can.
        let id = Self.copy(key)
        let (destination, hasShortages) = state.withLock { state -> (Destination?, Bool) in
            let stuckIndex = stuck.flatMap { state.backend.index(of: $0) }
            guard
                let choice = state.backend.choose(
                    key: id.span, source: client.address, stuck: stuckIndex, tried: tried, at: now)
            else { return (nil, false) }
            let address = state.addresses[choice.server]
            guard let source = Self.chooseSource(&state, choice.server, address, client, tried: 0) else {
                // No source has the server's family: the kernel's choice stays, uncounted, at index 255.
                state.backend.sessionStarted(on: choice.server)
                return (
                    Destination(
                        server: choice.server, address: address, source: Source(index: .max, address: nil),
                        because: choice.because, reroutedFrom: choice.reroutedFrom,
                        transport: state.transports[choice.server]), false
                )
            }
            state.backend.sessionStarted(on: choice.server)
            return (
                Destination(
                    server: choice.server, address: address, source: source, because: choice.because,
                    reroutedFrom: choice.reroutedFrom, transport: state.transports[choice.server]),
                state.sources.hasShortages
            )
        }
        if hasShortages { checksMoved() }
        return destination
    }

    private static func chooseSource(
        _ state: inout State, _ server: Int, _ address: SocketAddress, _ client: SocketAddress, tried: UInt64
    ) -> Source? {
        // NGINX's `split_clients "$remote_addr$remote_port"`: the two texts one behind the other.
        let hash =
            state.sources.hasShares
            ? Murmur2.hash(Array("\(client.address.unmapped)\(client.port)".utf8).span) : 0
        return state.sources.choose(server: server, family: address.address.family, hash: hash, tried: tried).map {
            Source(index: UInt8($0), address: state.sources.address($0))
        }
    }

    /// The kernel had no port left at a source: another one for the same session, which is counted there instead.
    ///
    /// - Parameter tried: sources without a port, `source` among them, as bits.
    /// - Returns: `nil`, and the session stays counted where it was, when every source was tried.
    func nextSource(
        after source: UInt8, server: Int, client: SocketAddress, tried: UInt64
    ) -> Source? {
        guard source != .max else { return nil }
        let next = state.withLock { state -> Source? in
            state.sources.exhausted(Int(source), server: server)
            let address = state.addresses[server]
            guard let next = Self.chooseSource(&state, server, address, client, tried: tried) else { return nil }
            state.sources.ended(Int(source), server: server)
            return next
        }
        checksMoved()
        return next
    }

    private static func copy(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(span.count)
        for index in 0..<span.count { bytes.append(span[index]) }
        return bytes
    }

    /// A session that was counted on a server and a source is over, or goes elsewhere.
    func end(on server: Int, source: UInt8) {
        state.withLock { state in
            state.backend.sessionEnded(on: server)
            if source != .max { state.sources.ended(Int(source), server: server) }
        }
    }

    /// Sessions of the former process live on: they count at their server, and at their source where that is still one.
    ///
    /// - Returns: whether they count at the source.
    func inherit(_ sessions: Int, on server: Int, source: UInt8) -> Bool {
        state.withLock { state in
            var hasSource = source != .max
            for _ in 0..<sessions {
                state.backend.sessionStarted(on: server)
                hasSource = hasSource && state.sources.inherit(Int(source), server: server)
            }
            return hasSource
        }
    }

    /// A server answered a session's CONNECT, whatever it said.
    ///
    /// - Returns: the server's identity, for the stick table.
    func connected(on server: Int) -> Server.ID {
        state.withLock { state in
            state.backend.sessionConnected(on: server)
            return state.backend.servers[server].id
        }
    }

    /// Somebody learned something about a server's health: a session, the prober, the operator.
    ///
    /// What it changes waits for ``fetchNews()``.
    func report(_ event: HealthState.Event, server: Int, at now: Instant) {
        state.withLock { state in
            state.news.add(state.backend.handle(event, server: server, at: now), of: server)
        }
        checksMoved()
    }

    /// The changes since the last call, oldest first.
    func fetchNews() -> [ServerNews.News] { state.withLock { $0.news.fetch() } }

    /// The sessions of a former process are judged.
    func forgetFormer() { state.withLock { $0.backend.forgetFormer() } }

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
    var check: Configuration.CheckSettings { state.withLock { $0.settings.check } }
    /// What becomes of the sessions of a server that went down.
    var onDown: Configuration.OnDown { state.withLock { $0.settings.onDown } }

    /// Where a server is checked, from which address of ours, and through which layers: those of its sessions, unless the
    /// check goes elsewhere, where it is in the clear if it does not say otherwise.
    func checkPlace(_ server: Int) -> CheckPlace {
        state.withLock { state in
            let own = state.addresses[server]
            let check = state.settings.check
            let target = SocketAddress(check.address ?? own.address, port: check.port ?? own.port, scope: own.scope)
            let sources = state.sources.listing.compactMap(\.settings.address)
                .filter { $0.family == target.address.family }
            let isElsewhere = check.address != nil || check.port != nil
            let layers = state.transports[server]
            let isEncrypted =
                switch check.kind {
                case .tls: true
                case .mqtt, .http: !isElsewhere || check.isEncrypted
                case .none, .tcp, .agent: false
                }
            return CheckPlace(
                target: target, sources: sources,
                transport: ServerTransport(
                    tls: isEncrypted ? layers.tls : nil,
                    webSocket: check.kind == .mqtt && !isElsewhere ? layers.webSocket : nil))
        }
    }

    /// The host name a server was found by; `nil`: the file has its address.
    func hostName(_ server: Int) -> String? {
        state.withLock { state in state.hostNames[state.backend.servers[server].settings.name] }
    }

    /// Sources that run out of ports, since the last call.
    func fetchShortages() -> [SourcePool.Shortage] { state.withLock { $0.sources.fetchShortages() } }
    /// The sources as they are now.
    var sources: SourcePool { state.withLock { $0.sources } }

    /// An agent reported: the result of the check that was in flight.
    func report(_ report: AgentReport, server: Int, at now: Instant) {
        state.withLock { state in
            state.news.add(state.backend.handle(report, server: server, at: now, defersRings: true), of: server)
        }
        checksMoved()
    }

    /// The PROXY header a check begins with; empty: none. Agents get none, nor does what is checked in another place.
    ///
    /// - Parameter local: this end of the check's connection.
    func checkHeader(_ server: Int, from local: SocketAddress?) -> [UInt8] {
        state.withLock { state in
            let check = state.settings.check
            guard check.kind != .agent, check.address == nil, check.port == nil else { return [] }
            return ProxyGreeting.check(
                state.settings.proxySending, state.settings.checkHeader, local: local,
                server: state.addresses[server])
        }
    }

    func address(_ server: Int) -> SocketAddress { state.withLock { $0.addresses[server] } }

    /// Starts the checks that are due; the caller owes one result for each.
    ///
    /// - Parameters:
    ///   - most: how many at most; the others stay due.
    ///   - mostDown: how many at most of servers that are down.
    func startDueChecks(at now: Instant, most: Int, mostDown: Int) -> [Backend.DueCheck] {
        state.withLock { $0.backend.startDueChecks(at: now, most: most, mostDown: mostDown) }
    }

    /// The operator's weight for a server.
    func setWeight(_ weight: Int, server: Int, at now: Instant) {
        state.withLock { $0.backend.setWeight(weight, server: server, defersRings: true) }
        buildRings(at: now)
    }

    /// The shortest time between two times that agents' weights change the hash rings.
    static let ringPause: Duration = .seconds(1)

    /// Lets the hash rings follow the weights that agents gave, not more often than ``ringPause``.
    ///
    /// - Returns: when to call again; `nil`: the rings are right.
    func keepRings(at now: Instant) -> Instant? {
        let (isStale, built) = state.withLock { ($0.backend.ringPlan != nil, $0.ringsBuilt) }
        guard isStale else { return nil }
        if let built, now < built + Self.ringPause { return built + Self.ringPause }
        buildRings(at: now)
        return nil
    }

    /// Builds the rings outside the lock, which every session takes.
    private func buildRings(at now: Instant) {
        guard let plan = state.withLock({ $0.backend.ringPlan }) else { return }
        let rings = plan.build()
        // The former ones are freed behind the lock.
        _ = state.withLock { state in
            state.ringsBuilt = now
            return state.backend.adopt(rings)
        }
    }

    /// Applies the settings of a reload; sessions keep their servers.
    ///
    /// - Parameter renamed: called with the names of the servers by index when they are others than before, while no session can
    ///   begin: one that begins under a name nobody has written down would be lost at a death.
    func apply(
        _ settings: Configuration.BackendSettings, answers: [String: NameResolver.Answer],
        sources: [SourcePool.Settings], table: TableRuntime?, tls: TLSContext? = nil, seed: UInt64,
        at now: Instant, renamed: ([String]) -> Void = { _ in }
    ) throws(Backend.TooManyServers) {
        let refused = state.withLock { state -> Backend.TooManyServers? in
            state.tls = tls
            if let refused = Self.place(settings, answers, &state, seed: seed, at: now, renamed) { return refused }
            state.limits = Self.limits(settings)
            state.settings = settings
            state.table = table
            // Refused only when sources of many reloads still carry sessions: the former ones go on serving.
            _ = state.sources.apply(sources, ports: LocalPorts.count)
            return nil
        }
        if let refused { throw refused }
        checksMoved()
    }

    /// Whether the file names servers that have to be looked up.
    var hasNames: Bool { state.withLock { $0.settings.servers.contains { $0.hostName != nil } } }

    /// The resolver has other answers.
    ///
    /// - Parameter renamed: as at a reload.
    func apply(
        _ answers: [String: NameResolver.Answer], seed: UInt64, at now: Instant, renamed: ([String]) -> Void = { _ in }
    ) throws(Backend.TooManyServers) {
        let refused = state.withLock { state in Self.place(state.settings, answers, &state, seed: seed, at: now, renamed) }
        if let refused { throw refused }
        checksMoved()
    }

    private static func names(_ backend: Backend) -> [String] { backend.servers.map(\.settings.name) }

    private static func place(
        _ settings: Configuration.BackendSettings, _ answers: [String: NameResolver.Answer], _ state: inout State,
        seed: UInt64, at now: Instant, _ renamed: ([String]) -> Void
    ) -> Backend.TooManyServers? {
        let placed = place(settings, answers)
        let former = names(state.backend)
        do throws(Backend.TooManyServers) {
            try state.backend.apply(translate(settings, placed, answers), seed: seed, at: now)
        } catch {
            return error
        }
        let names = names(state.backend)
        if names != former { renamed(names) }
        state.addresses = addresses(state.backend, placed, former: state.addresses)
        state.transports = transports(state.backend, placed, state.tls, former: state.transports)
        state.hostNames = hostNames(placed)
        return nil
    }
}
