// A listener with its sockets.

import Balancing
import Configuration
import Linux
import MQTT
import Synchronization
import TLS
import Wire

/// A number that several threads raise and lower.
final class Gauge: Sendable {
    private let number = Atomic<Int>(0)

    var value: Int { number.load(ordering: .relaxed) }
    func add(_ amount: Int) { number.add(amount, ordering: .relaxed) }
}

/// One `listen` block in force.
final class ListenerRuntime: Sendable {
    let number: UInt16
    let settings: Configuration.ListenerSettings
    /// By bind, then by loop: each loop has a socket of its own on every address (`SO_REUSEPORT`).
    let sockets: [[Int32]]
    let backend: UInt32
    /// Which clients go elsewhere; `nil`: all go to ``backend``.
    let routes: RouteTable?
    let sniffer: ConnectSniffer
    /// What of a CONNECT is replaced.
    let identity: IdentityPolicy
    /// What the clients' handshakes go by; `nil`: they speak without TLS.
    let tls: TLSContext?
    /// Which requests for a WebSocket are taken; `nil`: clients speak MQTT at once.
    let webSocket: WebSocketRules?
    /// Sessions now, over all loops; shared with what the listener was before a reload.
    let sessions: Gauge
    /// What it has counted so far; shared with what the listener was before a reload.
    let totals: ListenerTotals
    /// Who may connect, by address.
    let access: AccessList
    /// Rates and counts of its sources and clients; shared with what the listener was before a reload.
    let admission: AdmissionRuntime
    /// Whether ``admission`` is to be asked about arriving connections, and about CONNECTs.
    let judgesArrivals: Bool
    let judgesClients: Bool
    /// Whether it is in the configuration; a removed listener accepts nothing and keeps its sessions.
    let isActive: Bool

    init(
        number: UInt16, settings: Configuration.ListenerSettings, sockets: [[Int32]], backend: UInt32,
        routes: RouteTable? = nil, isActive: Bool, sessions: Gauge?, totals: ListenerTotals? = nil,
        admission: AdmissionRuntime? = nil, identity: IdentityPolicy = IdentityPolicy(), tls: TLSContext? = nil
    ) {
        let limits = settings.admission
        access = AccessList(
            limits.access.map { AccessList.Rule($0.action == .allow ? .allow : .deny, $0.networks) })
        judgesArrivals = limits.sourceConnections != nil || limits.sourceRate != nil || limits.connectRate != nil
        judgesClients = limits.clientRate != nil || limits.flapping != nil
        if let admission {
            admission.apply(limits, at: Clock.now)
            self.admission = admission
        } else {
            self.admission = AdmissionRuntime(limits, at: Clock.now)
        }
        self.number = number
        self.settings = settings
        self.sockets = sockets
        self.backend = backend
        self.routes = routes
        self.isActive = isActive
        self.sessions = sessions ?? Gauge()
        self.totals = totals ?? ListenerTotals()
        self.identity = identity
        self.tls = tls
        webSocket = settings.webSocket.map { rules in
            WebSocketRules(path: rules.path, hosts: rules.hosts, trusted: settings.trustedForwarders)
        }
        sniffer = ConnectSniffer(policy: ConnectPolicy(maximumLength: settings.maximumConnectSize))
    }

    /// The same listener, removed.
    var inactive: ListenerRuntime {
        ListenerRuntime(
            number: number, settings: settings, sockets: sockets, backend: backend, routes: routes, isActive: false,
            sessions: sessions, totals: totals, admission: admission, identity: identity, tls: tls)
    }
}

extension TLSContext {
    /// What its session cache holds for clients without tickets, and how many it forgot to make room, as a member of the
    /// listener in `status`. Counted since the certificates or settings last changed.
    var resumption: JSON { ["remembered": JSON(rememberedSessions), "evicted": JSON(evictedSessions)] }
}
