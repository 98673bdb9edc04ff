// Whether somebody else holds our addresses, or only did for a moment. Pure.

package import Wire

/// Judges sightings of another holder: one that is seen again after a while is believed.
///
/// At the end of a split both hosts speak for the address for an interval; one of them gives way by its adverts. So a first
/// sighting is only a reason to ask once more. What is remembered is one span of time, however many link-layer addresses are
/// seen: who sends each packet from another one can neither fill anything nor hide behind it.
package struct HolderSuspicion: Sendable {
    /// So much later another holder must still be there.
    package static let confirmation = Duration.milliseconds(500)
    /// A sighting that is older is forgotten: the next one is a first one.
    package static let sightingLimit = Duration.seconds(10)
    /// Another holder is believed in at most this often.
    package static let reportInterval = Duration.seconds(1)

    /// What follows from a sighting.
    package enum Verdict: Equatable, Sendable {
        case nothing
        /// The first one: ask again who holds the address, then.
        case ask(at: Instant)
        /// Somebody else holds the address.
        case believe
    }

    private var seen: (first: Instant, last: Instant)?
    private var believedAt: Instant?

    package init() {}

    /// Somebody else said that he holds an address of ours.
    package mutating func saw(at now: Instant) -> Verdict {
        guard let (first, last) = seen, now - last <= Self.sightingLimit else {
            seen = (now, now)
            return .ask(at: now + Self.confirmation)
        }
        seen = (first, now)
        guard now - first >= Self.confirmation, believedAt.map({ now - $0 >= Self.reportInterval }) ?? true else {
            return .nothing
        }
        believedAt = now
        return .believe
    }

    /// What was seen does not count any more: the router's role changed.
    package mutating func forget() { seen = nil }
}
