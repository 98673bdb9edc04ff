// Limits and access lists of a listener, as values.

package import Wire

extension Configuration {
    /// `N/s burst N`.
    package struct Rate: Hashable, Sendable {
        /// 1 to 1,000,000.
        package var perSecond: Int
        /// How many may come at once, 1 to 1,000,000.
        package var burst: Int

        package init(perSecond: Int, burst: Int) {
            self.perSecond = perSecond
            self.burst = burst
        }
    }

    /// `limit flapping N per D delay D`.
    package struct Flapping: Hashable, Sendable {
        /// More connects of one client ID than this within ``window`` are too many.
        package var reconnects: Int
        package var window: Duration = .seconds(60)
        /// How long each further CONNECT waits.
        package var delay: Duration = .seconds(5)

        package init(reconnects: Int) { self.reconnects = reconnects }
    }

    /// `access allow NETWORK`, `access deny file FILE`: one rule of an access list.
    package struct AccessRule: Hashable, Sendable {
        /// What the rule says about whoever it names.
        package enum Action: String, Hashable, Sendable { case allow, deny }

        /// Whom the rule names.
        package enum Subject: Hashable, Sendable {
            case all
            case network(IPPrefix)
            /// What a file lists; the path as it is written, and the networks in the file's order.
            case file(String, [IPPrefix])
        }

        package var action: Action
        package var subject: Subject

        package init(_ action: Action, _ subject: Subject) {
            self.action = action
            self.subject = subject
        }

        /// The networks the rule names, all of them written out.
        package var networks: [IPPrefix] {
            switch subject {
            case .all:
                [IPPrefix(.v4(IPv4Address(0)), length: 0), IPPrefix(.v6(IPv6Address(high: 0, low: 0)), length: 0)]
            case .network(let network): [network]
            case .file(_, let networks): networks
            }
        }
    }

    /// Whom a listener lets in besides the number of its sessions; what is `nil` is not limited.
    package struct AdmissionSettings: Hashable, Sendable {
        /// Most connections of one source at one time.
        package var sourceConnections: Int?
        /// IPv6 addresses with this many leading bits in common are one source, 16...128.
        package var sourcePrefix: Int = 64
        package var connectRate: Rate?
        package var sourceRate: Rate?
        package var clientRate: Rate?
        package var flapping: Flapping?
        /// Most sources, and most client IDs, whose rates are remembered.
        package var tracked: Int = 65_536
        /// In the order of the file; the first that matches decides, without a match a client is let in.
        package var access: [AccessRule] = []
        /// Whoever is refused is told nothing.
        package var refusesSilently = false
        /// The first byte must have arrived this long after the accept; `nil`: only the whole CONNECT has a deadline.
        package var firstByteDeadline: Duration?

        package init() {}
    }
}
