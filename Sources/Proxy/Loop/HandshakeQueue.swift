// Sessions that wait for a step of their handshake, in the order in which they get it.

/// Two queues: who has begun comes before who has not.
///
/// What is left of a begun handshake is little work, and its memory and the client's patience are already spent. In one
/// queue everybody's first step would come before anybody's last, and a crowd would reach its deadline together. But whoever has begun
/// and goes on and on keeps nobody out: behind so many of them comes a new one.
struct HandshakeQueue {
    private var begun: [UInt32] = []
    private var new: [UInt32] = []
    /// How many at the front of each were taken already.
    private var taken = (begun: 0, new: 0)
    /// How many of those that had begun were taken in a row while new ones waited, and how many may be.
    private var row = 0
    static let longestRow = 16

    private(set) var count = 0
    var isEmpty: Bool { count == 0 }

    mutating func append(_ index: UInt32, hasBegun: Bool) {
        count += 1
        if hasBegun { begun.append(index) } else { new.append(index) }
    }

    /// The next one; `nil` when nobody waits.
    mutating func popFirst() -> UInt32? {
        let hasNew = taken.new < new.count
        if taken.begun < begun.count, !hasNew || row < Self.longestRow {
            count -= 1
            taken.begun += 1
            row = hasNew ? row + 1 : 0
            return begun[taken.begun - 1]
        }
        guard hasNew else { return nil }
        row = 0
        count -= 1
        taken.new += 1
        return new[taken.new - 1]
    }

    /// Gives the room of those that were taken back; called once in a turn.
    mutating func compact() {
        begun.removeFirst(taken.begun)
        new.removeFirst(taken.new)
        taken = (0, 0)
    }
}
