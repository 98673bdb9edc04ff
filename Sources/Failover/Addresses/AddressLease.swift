// How long the kernel keeps a virtual address when nobody asks for it any more.

import Wire

/// The dead man's switch: addresses carry a short lifetime and are renewed as long as this process lives and is active.
///
/// docs/decisions/0007-addresses-expire.md says why these figures.
enum AddressLease {
    /// What the kernel is told, in whole seconds, which is its own precision.
    static let lifetime = Duration.seconds(4)
    /// How often it is told. A process that stalls for ``lifetime`` less this still has its addresses.
    static let renewal = Duration.seconds(1)
    /// Intervals of advertisements up to which a renewal keeps away from them: with longer ones a moment's wait for the
    /// kernel is nothing.
    static let longestPace = Duration.milliseconds(500)

    /// The moment for a renewal that is due now: in the first half of an interval, or else in that of the next one.
    ///
    /// The kernel serves one request about its interfaces at a time. Who else works on them may keep a renewal waiting for
    /// long, and with it what comes after it: then there are to be half an interval and more until an advertisement is late.
    static func moment(at now: Instant, nextAdvertisement next: Instant, interval: Duration) -> Instant {
        guard interval <= longestPace, next > now, next - now < interval / 2 else { return now }
        return next + interval / 4
    }

    /// ``lifetime`` as the kernel counts.
    static let seconds: UInt32 = 4
}
