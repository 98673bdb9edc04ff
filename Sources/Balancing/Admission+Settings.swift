// What a listener admits: the numbers.

extension Admission {
    /// Events a second, and how many may come at once.
    package struct Rate: Hashable, Sendable {
        /// Within ``TokenBucket/range``.
        package var perSecond: Int
        /// Within ``TokenBucket/range``.
        package var burst: Int

        package init(perSecond: Int, burst: Int) {
            self.perSecond = perSecond
            self.burst = burst
        }
    }

    /// What a client that reconnects too often is.
    package struct Flapping: Hashable, Sendable {
        /// More connects than this within ``window`` are too many.
        package var reconnects: Int
        package var window: Duration
        /// How long each further CONNECT waits before it goes on.
        package var delay: Duration

        package init(reconnects: Int, window: Duration, delay: Duration) {
            self.reconnects = reconnects
            self.window = window
            self.delay = delay
        }
    }

    /// The limits of one listener besides the number of its sessions; what is `nil` is not limited.
    package struct Settings: Hashable, Sendable {
        /// Connections of one source at one time.
        package var sourceConnections: Int?
        /// IPv6 addresses with this many leading bits in common are one source; IPv4 addresses are each their own.
        package var sourcePrefix = 64
        /// New connections of the whole listener.
        package var connectRate: Rate?
        /// New connections of one source.
        package var sourceRate: Rate?
        /// CONNECTs of one client ID.
        package var clientRate: Rate?
        package var flapping: Flapping?
        /// Most sources, and most client IDs, that rates are remembered of.
        package var tracked = 65_536

        package init() {}

        /// Whether an arriving connection has to be judged.
        package var judgesArrivals: Bool { sourceConnections != nil || connectRate != nil || sourceRate != nil }
        /// Whether a CONNECT has to be judged.
        package var judgesClients: Bool { clientRate != nil || flapping != nil }
    }
}
