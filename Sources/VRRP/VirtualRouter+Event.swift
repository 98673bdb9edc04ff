// What can happen to a virtual router, and what it asks of its shell.

package import Wire

extension VirtualRouter {
    /// The number of a claim, so that a late report is not taken for a report on a newer claim.
    package typealias Attempt = UInt64

    /// Something that happened outside. Reports on effects come by this door too: an effect nobody reported has not
    /// happened.
    package enum Event: Sendable {
        /// Begin. `holding`: the kernel still shows all our addresses, left by a predecessor that was killed. Send
        /// ``interface(up:)``, ``source(_:)`` and ``ready(_:reason:)`` before it when they are known.
        case started(holding: Bool)
        /// End: say so, release, and do nothing more until started again.
        case stop
        /// Hand the addresses over. The node claims nothing for ``Bounds/stepDownHold``, or for a shorter time that is
        /// named; with a time, it also does not preempt before that has passed. A peer that became active and then dies
        /// is replaced all the same.
        ///
        /// Where nobody takes the addresses they are kept, and served on: then there was nobody to step down for. With
        /// `isForced` they go all the same, as at a stop.
        case stepDown(for: Duration?, isForced: Bool = false)
        /// What ``Action/drain`` asked for is done.
        case drained
        /// A well-formed advertisement arrived.
        case received(Advertisement, from: IPAddress, to: IPAddress)
        /// Something arrived that ``Advertisement/init(parsing:from:to:hopLimit:)`` refused.
        case refused(Advertisement.Discard, from: IPAddress)
        /// What could not be authenticated may have been the peer's: no advertisement of this sender has fitted a key yet.
        ///
        /// It is refused, moves nothing and is believed in nothing; only a backup does not claim while it goes on. So two
        /// nodes with different keys are a node that does not take over, and not two active ones. Once a key has fitted,
        /// forgeries delay nothing.
        case unverified(from: IPAddress)
        /// The kernel shows all addresses of this claim (read back, not assumed).
        case addressesClaimed(Attempt)
        /// The claim failed with this errno.
        case addressClaimFailed(Attempt, errno: Int32)
        /// Somebody else removed an address.
        case addressLost(IPAddress)
        /// A device of our addresses has another MAC address, or its link came up: the neighbours must be told again.
        case deviceRenewed
        /// The kernel no longer shows any of our addresses.
        case addressesReleased
        /// Releasing failed with this errno; it will be asked for again.
        case addressReleaseFailed(errno: Int32)
        /// An advertisement could not be sent.
        case sendFailed(errno: Int32)
        /// Whether this node can serve: the balancer beats and everything tracked is well. `reason` is for humans.
        case ready(Bool, reason: String)
        /// Whether the interface of the advertisements is up.
        case interface(up: Bool)
        /// Whether there is a socket to send and hear advertisements with: the errno that opening it failed with, or `nil`.
        case socket(errno: Int32?)
        /// The address we send from; `nil` when the interface has none (any more).
        case source(IPAddress?)
        /// Whether this node knows what its peer knows. A node that does not yet, does not preempt.
        case inSync(Bool)
        /// The sum of the weights of what is tracked, from ``Tracking``, and whether something with a weight is not well.
        /// The priority changes without a change of role; an impaired active router hands over when it knows of a better.
        case weight(Int, isImpaired: Bool = false)
        /// The peer said over the pair link what it is; `at`: when that arrived. Once for each of its advertisements.
        case peerAlive(PeerReport, at: Instant)
        /// The pair link is gone: what was said over it no longer counts.
        case peerPathLost
        /// The witness answered. Asked for at least every ``Settings/interval`` while backup.
        case witnessAnswered
        /// Packets went both ways on the link of the advertisements, as when a gateway answered.
        case linkProven
        /// While we are active, another answered for our address; `by`: the peer it is, when that is known.
        case addressAnswered(by: IPAddress?)
        /// The group decided; from ``SyncGroup``.
        case group(GroupOrder)
        /// New settings of the same family and router identifier; another identity is another router.
        case configure(Settings)
    }

    /// Something the shell is to do, in the order given.
    package enum Action: Equatable, Sendable {
        /// Send ``VirtualRouter/advertisement(priority:)`` to every peer, or to the group.
        case advertise(priority: UInt8)
        /// Make the kernel show exactly the addresses of the settings, read back, and report with this number.
        case claim(Attempt)
        /// Make the kernel show none of our addresses, and report.
        case release
        /// Another router has the addresses, or will have: end what still goes on over ours, and report. ``release`` follows
        /// then, after ``Bounds/drainTime`` in any case.
        case drain
        /// Send one round of gratuitous ARP or unsolicited neighbour advertisements for every address.
        case announce
        /// The role changed. To be logged; everything it requires stands in further actions.
        case transition(from: Role, to: Role, Cause)
        /// An advertisement was refused. To be logged at a limited rate.
        case refused(Advertisement.Discard, IPAddress)
    }
}
