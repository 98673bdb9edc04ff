// The states of a virtual router, each with exactly the data that exists in it, and the causes of their changes.

package import Wire

extension VirtualRouter {
    /// The states by name, for logs, counters and the status.
    package enum Role: String, CaseIterable, Sendable {
        /// Takes no part; keepalived's FAULT is this with a reason.
        case initialize
        /// Listens to the active router.
        case backup
        /// Has asked the kernel for the addresses and says nothing before it shows them; the RFC's instant between
        /// Backup and Active.
        case claiming
        /// Holds the addresses and advertises.
        case active
    }

    /// Why a router takes no part.
    package enum IdleReason: Equatable, Sendable {
        /// It has not been told to begin.
        case notStarted
        /// It was told to end.
        case stopped
        /// The interface of the advertisements is down.
        case interfaceDown
        /// The kernel gave no socket for advertisements: this errno.
        case noSocket(errno: Int32)
        /// The interface has no address to send from.
        case noSourceAddress
        /// The balancer or something tracked says no; its words.
        case notReady(String)
        /// The kernel refused the addresses with this errno.
        case claimFailed(errno: Int32)
        /// The kernel did not show the addresses within ``Bounds/claimTimeout``.
        case claimTimedOut
        /// Somebody else kept removing the addresses.
        case addressesContested
        /// Another member of the group cannot take part; the group's words.
        case group(String)
    }

    /// Why a role changed.
    package enum Cause: Equatable, Sendable {
        /// Taking no part, because of this.
        case idle(IdleReason)
        /// Everything needed is there; listening begins.
        case prepared
        /// Addresses left by a killed predecessor were found and kept.
        case adopted
        /// No advertisement for a whole down interval; from whom the last one was.
        case silence(of: IPAddress?)
        /// The active router said that it leaves.
        case handedOver(by: IPAddress)
        /// The active router has a lower priority and is displaced.
        case preempting(IPAddress, priority: UInt8)
        /// Another router is active and has the better claim.
        case yielded(to: IPAddress, priority: UInt8)
        /// We slept longer than the peers wait, and meanwhile another became active.
        case yieldedAfterStall(to: IPAddress, priority: UInt8)
        /// Another member of the group had to give way; the group's words.
        case withdrawn(String)
        /// The operator asked for it.
        case steppedDown
        /// Nobody took the addresses that this node wanted to hand over.
        case notTaken
        /// Something tracked is not well here, and the peer says that everything is well there.
        case handedOverImpaired(to: IPAddress)
    }

    /// The active router as a backup knows it.
    struct Heard: Equatable, Sendable {
        var address: IPAddress
        var priority: UInt8
        var at: Instant
    }

    struct Backup: Equatable, Sendable {
        var heard: Heard?
        /// Active_Adver_Interval: learned from the active router.
        var interval: Duration
        /// When Active_Down_Timer fires.
        var deadline: Instant
        /// What its firing would mean.
        var expectation: Cause
        /// The extra listening of a late waker was given; cleared by hearing the active router.
        var listenedAgain = false
        /// From when on the lower-priority active router may be displaced.
        var preemptAt: Instant?
        /// The timer has fired, and this is still awaited.
        var waiting: Waiting?
    }

    struct Claiming: Equatable, Sendable {
        var attempt: Attempt
        /// When the kernel has had its time.
        var deadline: Instant
        var cause: Cause
    }

    struct Pace: Equatable, Sendable {
        var interval: Duration
        /// Adverts still to be sent at this pace.
        var left: Int
    }

    /// Rounds of announcements that follow a first one.
    struct AnnouncementRounds: Equatable, Sendable {
        /// When the first round was due.
        var since: Instant
        /// The number of the next round; the first was 0.
        var next: Int
    }

    struct Active: Equatable, Sendable {
        /// How the addresses stand in the kernel.
        enum Phase: Equatable, Sendable {
            /// The kernel shows them.
            case shown
            /// The kernel shows the old set and is asked for a new one; advertising goes on.
            case reconciling(Attempt, deadline: Instant)
            /// Somebody removed one; silent until the kernel shows them again.
            case repairing(Attempt, deadline: Instant)
            /// We slept too long, or found the addresses at the start: silent until this instant, to hear whether
            /// another is active.
            case listening(until: Instant)

            /// Whether advertising would be the truth.
            var isTruth: Bool {
                switch self {
                case .shown, .reconciling: true
                case .repairing, .listening: false
                }
            }
        }

        var phase: Phase
        var since: Instant
        var cause: Cause
        /// When Adver_Timer fires.
        var nextAdvert: Instant
        /// When we last advertised; `nil` when not yet.
        var lastAdvert: Instant?
        /// After the interval was raised: the old pace goes on for a few adverts, so that no single one has to arrive.
        var oldPace: Pace?
        var lastAnnouncement: Instant?
        /// The rounds of announcements still due.
        var rounds: AnnouncementRounds?
        /// The set of addresses changed: announce when the kernel shows the new one.
        var announceWhenShown = false
    }

    enum State: Equatable, Sendable {
        case initialize(IdleReason)
        case backup(Backup)
        case claiming(Claiming)
        case active(Active)

        var role: Role {
            switch self {
            case .initialize: .initialize
            case .backup: .backup
            case .claiming: .claiming
            case .active: .active
            }
        }
    }

    /// After a failed or contested claim: no part is taken before this instant.
    struct Penalty: Equatable, Sendable {
        var reason: IdleReason
        var until: Instant
    }

    /// After a step-down: the addresses are left to the peer.
    struct Hold: Equatable, Sendable {
        /// Until then nothing is claimed, unless the peer was active and is gone.
        var until: Instant
        /// Until then a router of lower priority is not displaced: the time that the operator named.
        var preemptUntil: Instant?
        /// The addresses are kept when nobody takes them.
        var keepsUntaken = false
        /// The peer was heard active: from now on its silence counts again.
        var peerHeard = false
    }
}
