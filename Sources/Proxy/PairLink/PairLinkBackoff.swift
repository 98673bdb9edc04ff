// How long to wait before dialling again.

import Wire

/// Doubles from 100 ms to 1 s, with a quarter of jitter; no attempt is the last.
///
/// The longest wait and the time allowed for an attempt are together shorter than the time after which a node that waits
/// to be dialled believes that it is alone (``PairLink/aloneAfter``).
struct PairLinkBackoff {
    static let first: Duration = .milliseconds(100)
    static let longest: Duration = .seconds(1)

    private var wait = first
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// The time to wait after a failure; the next one is longer.
    mutating func next() -> Duration {
        let current = wait
        wait = min(wait * 2, Self.longest)
        return current - .nanoseconds(Int64.random(in: 0...(current.nanoseconds / 4), using: &generator))
    }

    /// The link stood: begin again.
    mutating func reset() { wait = Self.first }
}
