// A listener with its sockets.

import Configuration
import MQTT
import Synchronization

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
    let sniffer: ConnectSniffer
    /// What of a CONNECT is replaced.
    let identity: IdentityPolicy
    /// Sessions now, over all loops; shared with what the listener was before a reload.
    let sessions: Gauge
    /// Whether it is in the configuration; a removed listener accepts nothing and keeps its sessions.
    let isActive: Bool

    init(
        number: UInt16, settings: Configuration.ListenerSettings, sockets: [[Int32]], backend: UInt32, isActive: Bool,
        sessions: Gauge?, identity: IdentityPolicy = IdentityPolicy()
    ) {
        self.number = number
        self.settings = settings
        self.sockets = sockets
        self.backend = backend
        self.isActive = isActive
        self.sessions = sessions ?? Gauge()
        self.identity = identity
        sniffer = ConnectSniffer(policy: ConnectPolicy(maximumLength: settings.maximumConnectSize))
    }

    /// The same listener, removed.
    var inactive: ListenerRuntime {
        ListenerRuntime(
            number: number, settings: settings, sockets: sockets, backend: backend, isActive: false, sessions: sessions,
            identity: identity)
    }
}
