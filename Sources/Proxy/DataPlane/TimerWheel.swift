// Deadlines of thousands of sessions: a hashed wheel with lazy re-arming.

import Wire

/// A wheel of buckets, each a doubly linked list of slots through the slots themselves.
///
/// Activity does not move a slot: it only stamps `lastActivity`, and when the slot's bucket comes up the true deadline
/// is looked at again. A deadline beyond the wheel's horizon is put at the horizon and looked at from there.
struct TimerWheel {
    /// The bucket of a slot that is on no list.
    static let none = UInt32.max
    /// Length of a tick in nanoseconds: no deadline is later than this by the wheel's doing.
    static let tick: Int64 = 20_000_000
    /// Buckets; horizon = 1,024 × 20 ms = 20 s.
    static let buckets = 1024

    private var heads = [UInt32](repeating: 0, count: TimerWheel.buckets)
    /// The tick that was served last.
    private var current: Int64
    /// Before this moment, in nanoseconds, no deadline comes up: the tick that was served last goes on, and nothing is put on it.
    private(set) var quietUntil: Int64 = 0

    init(at now: Instant) { current = now.nanoseconds / Self.tick }

    /// Puts a slot where `deadline` (nanoseconds) is looked at, taking it off its present list.
    mutating func arm(_ index: UInt32, _ slots: borrowing SlotArena, deadline: Int64) {
        disarm(index, slots)
        guard deadline != .max else { return }
        let wanted = deadline / Self.tick + 1
        let tick = min(max(wanted, current + 1), current + Int64(Self.buckets) - 1)
        let bucket = UInt32(tick % Int64(Self.buckets))
        let head = heads[Int(bucket)]
        slots[index].bucket = bucket
        slots[index].previous = 0
        slots[index].next = head
        if head != 0 { slots[head].previous = index }
        heads[Int(bucket)] = index
    }

    mutating func disarm(_ index: UInt32, _ slots: borrowing SlotArena) {
        let bucket = slots[index].bucket
        guard bucket != Self.none else { return }
        let next = slots[index].next
        let previous = slots[index].previous
        if previous == 0 { heads[Int(bucket)] = next } else { slots[previous].next = next }
        if next != 0 { slots[next].previous = previous }
        slots[index].bucket = Self.none
    }

    /// Takes the next slot whose bucket has come up off the wheel; `nil` when none is left until `now`.
    mutating func popDue(_ slots: borrowing SlotArena, at now: Int64) -> UInt32? {
        let target = now / Self.tick
        while true {
            let head = heads[Int(current % Int64(Self.buckets))]
            if head != 0 {
                disarm(head, slots)
                return head
            }
            guard current < target else {
                quietUntil = (current + 1) * Self.tick
                return nil
            }
            // After a pause longer than a turn of the wheel, one whole turn visits every bucket.
            if target - current > Int64(Self.buckets) { current = target - Int64(Self.buckets) }
            current += 1
        }
    }
}
