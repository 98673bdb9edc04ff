// Lets the first of many equal messages through, and then one in a while.

import Wire

/// Opens once per key and interval. Pure; keys come from a closed set, so it is bounded.
struct RateGate<Key: Hashable & CaseIterable> {
    /// How long it stays closed for a key.
    let interval: Duration
    private var last: [Key: Instant] = [:]

    init(every interval: Duration) { self.interval = interval }

    /// Whether a message of this key may pass now.
    mutating func opens(for key: Key, at now: Instant) -> Bool {
        if let last = last[key], now - last < interval { return false }
        last[key] = now
        return true
    }
}
