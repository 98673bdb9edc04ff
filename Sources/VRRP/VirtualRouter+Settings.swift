// What an operator decides about a virtual router, and the bounds nobody needs to decide.

package import Wire

extension VirtualRouter {
    /// The configuration of one virtual router on this node.
    package struct Settings: Equatable, Sendable {
        /// Whether a node takes the addresses from an active router of lower priority (RFC 9568, 6.1, Preempt_Mode).
        package enum Preempt: Equatable, Sendable {
            /// Who serves goes on serving.
            case never
            /// Only after the lower-priority router has been heard for this long; zero is the RFC's `true`.
            case after(Duration)
        }

        /// The version spoken; the other one is refused.
        package var version: Advertisement.Version
        /// The family of the advertisements and their addresses. Part of the router's identity.
        package var family: AddressFamily
        /// The virtual router identifier, 1...255. Part of the router's identity.
        package var routerID: UInt8
        /// The node's priority, 1...254; 255 would switch health and `preempt never` off and is not offered.
        package var priority: UInt8
        /// How often an active router advertises; a whole number of the version's units.
        package var interval: Duration
        /// How many intervals of silence mean that the active router is gone (RFC 9568, 6.1: 3); 1...100.
        package var downTimerAdverts: Int
        /// Whether a lower-priority active router is displaced.
        package var preempt: Preempt
        /// The virtual addresses named in advertisements: 1...255 of the router's family.
        package var addresses: [IPAddress]
        /// Further addresses that move along without being named, of either family.
        package var unadvertised: [IPAddress]
        /// The other nodes, spoken to one by one; empty means the multicast group.
        package var peers: [IPAddress]
        /// Authentication of version 2.
        package var authentication: Advertisement.Authentication
        /// The checksum form sent; both are accepted.
        package var checksum: Advertisement.ChecksumForm
        /// How long after the link came up nobody is believed to be dead who was never heard; zero switches it off.
        ///
        /// Bonds and spanning trees report a link before it carries packets. An advertisement, a peer that is heard over
        /// the pair link, or ``Event/linkProven`` ends the wait.
        package var settle: Duration
        /// Whether silence alone is enough to claim (`false`), or the witness must have answered since.
        ///
        /// Availability or safety, when a network splits: with it, a backup that is cut off from everybody does not
        /// claim, and neither does one whose witness is down. An active router is not affected.
        package var requiresWitness: Bool
        /// Whether it claims only together with the other members of a ``SyncGroup``.
        package var isGrouped: Bool
        /// Rounds of announcements in short order at a takeover, 1...20; further ones follow after 1 s and 5 s.
        package var announceRepeats: Int
        /// How often an active router announces after that; `nil`: no more. At least 1 s.
        package var announceRefresh: Duration?

        /// Settings with the defaults of the house. Values outside their ranges are the caller's mistake.
        package init(
            version: Advertisement.Version = .three, family: AddressFamily = .ipv4, routerID: UInt8, priority: UInt8,
            interval: Duration = .milliseconds(100), downTimerAdverts: Int = 3, preempt: Preempt = .never,
            addresses: [IPAddress], unadvertised: [IPAddress] = [], peers: [IPAddress] = [],
            authentication: Advertisement.Authentication = .none,
            checksum: Advertisement.ChecksumForm = .pseudoHeader, settle: Duration = .zero,
            requiresWitness: Bool = false, isGrouped: Bool = false, announceRepeats: Int = 1,
            announceRefresh: Duration? = nil
        ) {
            precondition(routerID > 0, "router identifier 0")
            precondition((1...254).contains(priority), "priority \(priority)")
            precondition(version == .three || family == .ipv4, "VRRP version 2 is IPv4 only")
            precondition(version.intervals.contains(interval), "interval \(interval)")
            let unit = version.intervalUnit
            precondition(
                interval.nanoseconds % unit.nanoseconds == 0,
                "interval \(interval.text), not a multiple of \(unit.text)")
            precondition((1...100).contains(downTimerAdverts), "down timer of \(downTimerAdverts) intervals")
            precondition((1...20).contains(announceRepeats), "\(announceRepeats) announcements")
            precondition(announceRefresh.map { $0 >= .seconds(1) } ?? true, "a refresh faster than once a second")
            precondition((1...Advertisement.maximumAddresses).contains(addresses.count), "\(addresses.count) addresses")
            precondition((addresses + peers).allSatisfy { $0.family == family }, "addresses of another family")
            self.version = version
            self.family = family
            self.routerID = routerID
            self.priority = priority
            self.interval = interval
            self.downTimerAdverts = downTimerAdverts
            self.preempt = preempt
            self.addresses = addresses
            self.unadvertised = unadvertised
            self.peers = peers
            self.authentication = authentication
            self.checksum = checksum
            self.settle = settle
            self.requiresWitness = requiresWitness
            self.isGrouped = isGrouped
            self.announceRepeats = announceRepeats
            self.announceRefresh = announceRefresh
        }

        /// The priority with the weights of what is tracked: 1...254.
        package func priority(weight: Int) -> UInt8 { Tracking.priority(priority, weight: weight) }

        /// Skew_Time (RFC 9568, 6.1; RFC 3768, 6.1): the higher the priority, the sooner.
        ///
        /// - Parameter interval: the interval learned from the active router; version 2 does not use it.
        package func skew(interval: Duration) -> Duration {
            (version == .two ? .seconds(1) : interval) * (256 - Int(priority)) / 256
        }

        /// Active_Down_Interval (RFC 9568, 6.1): the silence after which the active router counts as gone.
        package func downInterval(interval: Duration) -> Duration {
            interval * downTimerAdverts + skew(interval: interval)
        }
    }

    /// Bounds with their defaults. Each has a counter in ``Counters`` for when it is hit.
    package enum Bounds {
        /// How long the kernel may take to show claimed addresses.
        package static let claimTimeout = Duration.seconds(1)
        /// The pause after the first failed claim; it doubles with each further one.
        package static let firstClaimPause = Duration.seconds(1)
        /// The longest pause after a failed claim.
        package static let longestClaimPause = Duration.seconds(10)
        /// Addresses removed by somebody else are put back this many times within ``repairWindow``, then we yield.
        package static let maximumRepairs = 10
        /// The time within which repairs are counted.
        package static let repairWindow = Duration.seconds(60)
        /// How long a node stays away after it lost the argument about its addresses.
        package static let contestedPause = Duration.seconds(30)
        /// The pause before a failed release is tried again.
        package static let releasePause = Duration.seconds(1)
        /// How long a stepped-down node leaves the peer time to become active, when the operator names no time.
        package static let stepDownHold = Duration.seconds(10)
        /// How much longer than a backup's skew the addresses stay after a farewell when nobody is heard to take them.
        package static let successorGrace = Duration.milliseconds(50)
        /// How much longer they stay for the other members of a group, whose intervals are longer, to find nobody either.
        package static let groupPatience = Duration.seconds(2) + successorGrace * 2
        /// The longest the addresses still stay for the sessions on them to be closed, once they are served elsewhere. A
        /// session that is left then learns of it when its client speaks next.
        package static let drainTime = Duration.seconds(1)
        /// Announcements on hearing a loser are at least this far apart.
        package static let announcementGap = Duration.milliseconds(100)
        /// The distance of the rounds of announcements at a takeover: a switch that has just moved the port may lose some.
        package static let announcementSpacing = Duration.milliseconds(50)
        /// When announcements are repeated: neighbours may have missed the first or believed a loser's last one.
        package static let announceAgain = (Duration.seconds(1), Duration.seconds(5))
        /// So many reports of an active peer without one of its advertisements mean that only those are lost.
        package static let reportsWithoutAdvert = 3
        /// How long a report stays good once that is known.
        package static let longestSecondPathPatience = Duration.seconds(1)
        /// How long something must not have been well before an active router hands over because of it: checks of both
        /// hosts see the death of all servers at different times.
        package static let impairedPatience = Duration.seconds(1)
        /// How long after the end of a split no router hands over because of its health.
        package static let splitPause = Duration.seconds(10)
        /// How long a router that handed over because of it waits for the other to claim.
        package static let handOverHold = Duration.seconds(2)
        /// Such hand-overs are at least this far apart, so that faults that come and go do not move the address with them.
        package static let handOverPause = Duration.seconds(30)
        /// How old the answer of a witness may be.
        package static let witnessAge = Duration.seconds(2)
        /// Most routers remembered for the status; the one heard longest ago makes room.
        package static let maximumPeers = 16
    }
}
