// Sessions that wait for a step of their handshake, in the order in which they get it.

/// Two queues: who has begun comes before who has not.
///
/// What is left of a begun handshake is little work, and its memory and the client's patience are already spent. In one
/// queue everybody's first step would come before anybody's last, and a crowd would reach its deadline together.
struct HandshakeQueue {
    private var begun: [UInt32] = []
    private var new: [UInt32] = []
    /// How many at the front of each were taken already.
    private var taken = (begun: 0, new: 0)

    private(set) var count = 0
    var isEmpty: Bool { count == 0 }

    mutating func append(_ index: UInt32, hasBegun: Bool) {
        count += 1
        if hasBegun { begun.append(index) } else { new.append(index) }
    }

    /// The next one; `nil` when nobody waits.
    mutating func popFirst() -> UInt32? {
        if taken.begun < begun.count {
            count -= 1
            taken.begun += 1
            return begun[taken.begun - 1]
        }
        guard taken.new < new.count else { return nil }
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
