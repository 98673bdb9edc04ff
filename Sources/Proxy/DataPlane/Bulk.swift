// When a direction is bulk (docs/decisions/0012-hot-path.md).

/// What makes a direction bulk, and what ends it.
enum Bulk {
    /// Reads in a row that filled a chunk.
    static let streak: UInt8 = 2
    /// Bytes to the client that are certainly one packet's: less is copied, for what is behind a packet's end must be seen.
    static let leastPacket = 1 << 18
    /// Bytes that one call should move: a source that gives less, time and again, is no bulk any more.
    static let least = 1 << 14
    /// Calls in a row that may move less: the end of a message comes alone now and then, and the next one is as long.
    static let patience: UInt8 = 4
    /// What moving through a pipe counts of the direction's share of a turn, in chunks, besides one.
    static let share = 1

    /// A direction's streak after a call that moved `count` bytes, 1 or more; below ``streak`` it is no bulk.
    ///
    /// - Parameter chunk: bytes of a chunk.
    static func streak(after old: UInt8, moved count: Int, chunk: Int) -> UInt8 {
        if old < streak { return count == chunk ? old + 1 : 0 }
        if count >= least { return streak }
        return old < streak + patience ? old + 1 : 0
    }
}
