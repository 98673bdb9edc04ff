// How often a client came lately.

package import Wire

/// Counts events in a sliding window, in a few words of memory: whole counts of this window and of the one before, of
/// which as much counts as the sliding window still covers.
///
/// Exact while a burst lies inside one window; spread over two, the former window's events are taken as evenly spread.
package struct ReconnectWindow: Hashable, Sendable {
    private var start: Int64
    private var current: Int64 = 0
    private var former: Int64 = 0

    /// An empty window that begins now.
    package init(at now: Instant) { start = now.nanoseconds }

    /// Counts one event, and says how many there were within `length` before and with it.
    package mutating func count(within length: Duration, at now: Instant) -> Int {
        let length = max(1, length.nanoseconds)
        let elapsed = now.nanoseconds - start
        if elapsed >= length {
            let windows = elapsed / length
            former = windows == 1 ? current : 0
            current = 0
            start += windows * length
        }
        current += 1
        let rest = max(0, length - max(0, now.nanoseconds - start))
        // In thousandths: a window of a day in nanoseconds times a count could overflow.
        let covered = former > 0 ? former * (rest / max(1, length / 1000)) / 1000 : 0
        return Int(clamping: current + covered)
    }
}
