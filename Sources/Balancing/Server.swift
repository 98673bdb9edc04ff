// One server of a backend: what the file says, what is known, what it carries.

package import Wire

/// One broker behind us.
package struct Server: Sendable {
    /// Stands for the name, the same on both hosts and after every restart; for tables and replication.
    package typealias ID = UInt64

    /// The identity of the server of that name.
    package static func id(named name: String) -> ID { stableHash(name) }

    /// What the configuration says.
    package struct Settings: Hashable, Sendable {
        /// The weights there are; 0: only sessions that stick to it.
        package static let weights = 0...256

        package var name: String
        /// The host as the file writes it, an IPv6 address in brackets: it places the server on the hash ring.
        package var host: String
        package var port: UInt16
        /// Within ``weights``.
        package var weight: Int
        /// Used only when no other server can be.
        package var isBackup: Bool
        /// Where it starts.
        package var administrative: HealthState.Administrative
        /// Most sessions at a time, pending connects counted; at least 1. What is beyond goes elsewhere, also what
        /// sticks to the server. `nil`: no bound. Each host counts its own.
        package var maximumConnections: Int?
        /// How long its weight grows, from nearly nothing to what it is, after it was down, busy or in maintenance;
        /// zero: at once. A hash does not look at it: where a key belongs must not depend on when it comes.
        package var slowStart: Duration
        /// When sessions that cannot connect mark this server; `nil`: as the backend says.
        package var passive: PassiveSettings?

        package init(
            name: String, host: String, port: UInt16, weight: Int = 1, isBackup: Bool = false,
            administrative: HealthState.Administrative = .ready, maximumConnections: Int? = nil,
            slowStart: Duration = .zero, passive: PassiveSettings? = nil
        ) {
            precondition(Settings.weights.contains(weight) && maximumConnections.map { $0 >= 1 } ?? true)
            self.maximumConnections = maximumConnections
            self.slowStart = slowStart
            self.passive = passive
            self.name = name
            self.host = host
            self.port = port
            self.weight = weight
            self.isBackup = isBackup
            self.administrative = administrative
        }

        /// Whether both mean the same broker.
        package func isSameServer(as other: Settings) -> Bool { name == other.name && host == other.host && port == other.port }
    }

    package internal(set) var settings: Settings
    /// The weight in force, within ``Settings/weights``: the file's or the operator's.
    package internal(set) var weight: Int
    /// Who said so last.
    package internal(set) var weightOrigin = Backend.WeightOrigin.file
    /// Sessions, from the choice (a pending connect counts) to their end.
    package internal(set) var connections = 0
    package internal(set) var health: HealthState
    /// No longer in the file: it keeps its sessions and its index until both are over.
    package internal(set) var isRetired = false
    /// Its index stands in the sessions of a former process: nobody else gets it before those are judged.
    var isReserved = false
    /// Whether sessions that could not connect keep others away.
    package internal(set) var passive = PassiveMark()
    /// Sessions that were this server's (they stick to it, or its key or turn said so) and went elsewhere, or nowhere,
    /// because it was full.
    package internal(set) var overflows: UInt64 = 0
    /// The last result of a check, and when it came; `nil`: there was none.
    package internal(set) var lastCheck: (result: HealthState.Event, at: Instant)?
    /// Checks that could not be made for want of something of our own.
    package internal(set) var checksSkipped: UInt64 = 0
    /// Its agent said *drain* or *maint* and has not said *ready* since.
    var isDrainedByAgent = false
    /// When its weight began to grow; `nil`: it never had to.
    var slowStartBegan: Instant?
    /// Smooth round robin: how far this server is ahead of its share.
    var current = 0

    package var id: ID { Server.id(named: settings.name) }

    /// Whether a session that sticks to it may go there, as far as its health goes.
    package var acceptsStuck: Bool { !isRetired && health.isUsable }
    /// Whether a session that may go anywhere may go there, as far as its health goes.
    package var acceptsNew: Bool { acceptsStuck && weight > 0 }
    /// Whether it counts among the servers that this host can reach: one that nobody could check does not.
    package var isReachable: Bool { acceptsNew && !health.isBlind }

    /// It is checked in another way from now on: nobody would ever take back what its agent said.
    mutating func forgetAgent() {
        isDrainedByAgent = false
        guard weightOrigin == .agent else { return }
        weight = settings.weight
        weightOrigin = .file
    }
}
