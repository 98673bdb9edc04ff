// What the operator asks and orders.

import Balancing
import Configuration
import Control
import Linux
import Telemetry
import Wire

extension BalancerProcess {
    /// Answers one request of the admin socket: `{"command": …}`.
    func answer(_ request: JSON) -> JSON {
        switch request["command"]?.string {
        case "status": return status()
        case "drain": return administrate(request, .drain)
        case "enable": return administrate(request, .ready)
        case "disable": return administrate(request, .maintenance)
        case "weight": return weigh(request)
        default: return Self.refusal("the balancer does not know this command")
        }
    }

    /// An answer that says no.
    static func refusal(_ reason: String) -> JSON { ["ok": false, "error": .string(reason)] }

    // MARK: Servers

    /// The servers a request names: `server` is `NAME` or `BACKEND/NAME`.
    private func places(_ request: JSON) -> [(BackendRuntime, Int)] {
        guard let text = request["server"]?.string else { return [] }
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        guard let name = parts.last else { return [] }
        return (registry?.activeBackends ?? []).compactMap { backend in
            if parts.count == 2, backend.name != parts[0] { return nil }
            return backend.serverIndex(named: name).map { (backend, $0) }
        }
    }

    private func administrate(_ request: JSON, _ wish: HealthState.Administrative) -> JSON {
        let found = places(request)
        guard !found.isEmpty else { return unknownServer(request) }
        let rate = request["rate"]?.integer
        if let rate, !(1...1_000_000).contains(rate) { return Self.refusal("a rate is 1/s to 1000000/s") }
        var told: [JSON] = []
        for (backend, server) in found {
            let place = ServerPlace(backend: backend.number, index: server)
            backend.report(.administrative(wish), server: server, at: Clock.now)
            shedding[place] = nil
            if wish == .drain, let rate { shed(place, rate: Int(rate)) }
            let now = backend.current.servers[server]
            told.append([
                "backend": .string(backend.name), "server": .string(now.settings.name),
                "status": .string(now.health.status.rawValue), "sessions": JSON(now.connections),
            ])
        }
        beatNow()
        return ["ok": true, "servers": .array(told)]
    }

    private func weigh(_ request: JSON) -> JSON {
        let found = places(request)
        guard !found.isEmpty else { return unknownServer(request) }
        guard let weight = request["weight"]?.integer, Server.Settings.weights.contains(Int(weight)) else {
            return Self.refusal("a weight is 0 to 256")
        }
        for (backend, server) in found { backend.setWeight(Int(weight), server: server, at: Clock.now) }
        return ["ok": true]
    }

    private func unknownServer(_ request: JSON) -> JSON {
        let known = (registry?.activeBackends ?? []).flatMap { backend in
            backend.current.servers.filter { !$0.isRetired }.map { "\(backend.name)/\($0.settings.name)" }
        }
        let asked = request["server"]?.string ?? ""
        return Self.refusal("no server is called \"\(asked)\"; there are \(known.joined(separator: ", "))")
    }

    /// Sessions of a server that is down are closed at this many a second unless `on-down` says otherwise: their clients
    /// find another one now instead of at their next ping, and not all in one instant.
    private static let downRate = 2000

    /// How fast the sessions of a server that went down are closed, in sessions a second; `nil`: they are kept.
    private func downRate(_ backend: BackendRuntime, _ server: Int) -> Int? {
        switch backend.onDown {
        case .keep: return nil
        case .close(nil): return Self.downRate
        case .close(let spread?):
            let sessions = Double(backend.current.servers[server].connections)
            let rate = (sessions * 1e9 / Double(spread.nanoseconds)).rounded(.up)
            return Int(min(max(rate, 1), Double(TokenBucket.range.upperBound)))
        }
    }

    /// Tells what changed about servers, and acts on it.
    func tellNews() {
        var hasNews = false
        for backend in registry?.activeBackends ?? [] {
            for news in backend.fetchNews() {
                hasNews = true
                tell(backend, news.server, news.transition)
                let place = ServerPlace(backend: backend.number, index: news.server)
                if news.transition.closesSessions {
                    if let rate = downRate(backend, news.server) { shed(place, rate: rate) }
                } else if news.transition.from == .down {
                    shedding[place] = nil
                }
            }
        }
        for backend in registry?.activeBackends ?? [] { tellShortages(backend) }
        if hasNews { beatNow() }
    }

    /// Warns before the ports of a source run out.
    private func tellShortages(_ backend: BackendRuntime) {
        for shortage in backend.fetchShortages() {
            log.warning(
                "the ports to server \(backend.name)/\(backend.serverName(shortage.server)) run out",
                [
                    "source": shortage.address.map { "\($0)" } ?? "the kernel's choice", "used": "\(shortage.used)",
                    "ports": "\(shortage.ports)",
                ])
        }
    }

    /// The resolver has something new to tell.
    func namesChanged() {
        guard let registry else { return }
        for (name, answer) in registry.resolver.answers.sorted(by: { $0.key < $1.key }) {
            let former = knownAnswers.updateValue(answer, forKey: name)
            if let failure = answer.failure, former?.failure == nil {
                log.warning(
                    "the name \(name) has no answer", ["error": failure, "kept": "\(answer.addresses.count) addresses"])
            }
            if answer.addresses != former?.addresses, !answer.addresses.isEmpty {
                let addresses = answer.addresses.map { "\($0)" }.joined(separator: ", ")
                log.notice("the name \(name) has new addresses", ["addresses": addresses])
            }
            if answer.dropped > 0, former?.dropped ?? 0 == 0 {
                log.warning(
                    "the name \(name) has more than \(Configuration.maximumAddressesOfName) addresses: the highest are left out",
                    ["left_out": "\(answer.dropped)"])
            }
        }
        for sentence in registry.namesChanged() { log.error("\(sentence)") }
        remember()
        prober?.schedule()
        beatNow()
    }

    /// Begins to close a server's sessions at a rate.
    private func shed(_ place: ServerPlace, rate: Int) {
        guard let backend = registry?.backends[Int(place.backend)] else { return }
        let isIdle = shedding.isEmpty
        let server = backend.current.servers[place.index]
        shedding[place] = Shedding(of: server.settings, rate: rate, at: Clock.now)
        if isIdle { shed() }
    }

    /// Writes a change of a server's status to the log.
    private func tell(_ backend: BackendRuntime, _ server: Int, _ transition: HealthState.Transition) {
        log.notice(
            "server \(backend.name)/\(backend.serverName(server)) is \(transition.to.rawValue)",
            ["was": transition.from.rawValue, "because": "\(transition.cause)"])
    }

    /// Closes sessions of servers that drain at a rate, until they have none.
    private func shed() {
        let now = Clock.now
        for place in Array(shedding.keys) {
            guard let backend = registry?.backends[Int(place.backend)] else { continue }
            let server = backend.current.servers[place.index]
            let left = server.connections
            // The place may be another server's by now.
            guard left > 0, shedding[place]?.isFor(server) == true else {
                shedding[place] = nil
                continue
            }
            guard let count = shedding[place]?.take(most: left, at: now), count > 0 else { continue }
            for (loop, most) in shedding[place]?.share(count, among: loops.count) ?? [] {
                loops[loop].mailbox.post(.shed(server: place, most: most, unspent: shedding[place]?.unspent))
            }
        }
        guard !shedding.isEmpty else { return }
        loop.schedule(at: now + .milliseconds(20)) { [unowned self] in shed() }
    }

    // MARK: Status

    /// Serves the status pages where the configuration says.
    func serveStatus(_ configuration: Configuration) {
        let sockets = configuration.statusBinds.indices.compactMap { descriptor(.status(bind: $0)) }
        if statusServer == nil, !sockets.isEmpty {
            statusServer = StatusServer(on: loop) { [unowned self] in status() }
        }
        for (number, error) in statusServer?.listen(on: sockets) ?? [] {
            log.error("status pages cannot be served", ["socket": "\(number)", "error": "\(error)"])
        }
    }

    func status() -> JSON {
        let now = Clock.now
        let backends = registry?.activeBackends ?? []
        let listeners = (registry?.listeners ?? []).filter { $0.isActive || $0.sessions.value > 0 }
        return [
            "ok": true, "pid": JSON(ProcessSelf.pid), "uptime_ms": JSON((now - started).wholeMilliseconds),
            "serving": JSON(isServing), "settled": JSON(backends.allSatisfy { $0.current.isSettled }),
            "loops": JSON(loops.count), "worst_delay_us": JSON(loop.worstLateness.nanoseconds / 1000),
            "answers_refused": JSON(streamRefusals), "pages": JSON(statusServer?.served ?? 0),
            "pages_refused": JSON(statusServer?.refused ?? 0),
            "sessions": JSON(listeners.reduce(0) { $0 + max(0, $1.sessions.value) }),
            "listeners": .array(
                listeners.map { listener in
                    [
                        "totals": listener.totals.json, "resumption": listener.tls?.resumption ?? .null,
                        "name": .string(listener.settings.name),
                        "binds": .array(listener.settings.binds.map { .string("\($0)") }),
                        "sessions": JSON(max(0, listener.sessions.value)), "active": JSON(listener.isActive),
                        "tracked": listener.judgesArrivals || listener.judgesClients ? listener.admission.json : .null,
                    ]
                }),
            "backends": .array(backends.map { $0.json(at: now) }),
            "names": .array(
                (registry?.resolver.answers ?? [:]).sorted { $0.key < $1.key }.map { name, answer in
                    [
                        "name": .string(name),
                        "addresses": .array(answer.addresses.map { .string("\($0)") }),
                        "left_out": JSON(answer.dropped), "failures": JSON(answer.failures),
                        "last_failure": JSON(answer.failure),
                    ]
                }),
            "tables": .array((registry?.tables ?? []).map { $0.json() }),
            "log_records_lost": JSON(log.lostRecords), "log_records_undelivered": JSON(log.undeliveredRecords),
            "peer": pairLink?.status ?? .null,
            "counters": ProxyCounters.json(loops.map(\.counters)),
            "deaths": JSON(Int(survival.state.deaths)), "poisoned_clients": JSON(survival.state.poison.refused(at: Clock.now.nanoseconds)),
            "chaos": Chaos.json ?? .null,
        ]
    }
}
