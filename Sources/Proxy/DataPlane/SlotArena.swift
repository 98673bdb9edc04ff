// The sessions of one loop, in memory that other processes may map.

import Linux
import Wire

/// A fixed number of ``Slot``s in a mapped memfd, with a free list.
///
/// Index 0 is never given out, so that 0 can mean *none* in links. Its record is the arena's own: `next` is the highest
/// index ever used, `previous` the slot in hand. The free list is not kept: it is found again from the phases.
@safe
struct SlotArena: ~Copyable {
    // Sound: `base` points at `capacity` slots of a mapping that is never unmapped; each was initialised at creation,
    // and every access checks its index. Only the loop that owns the arena touches it.
    private let base: UnsafeMutablePointer<Slot>
    let capacity: Int
    private var firstFree: UInt32 = 0
    private(set) var used = 0
    /// Slots from here on were never used: their memory has not been touched.
    private var untouched: UInt32 = 1

    /// Bytes for so many sessions.
    static func bytes(capacity: Int) -> Int { (capacity + 1) * MemoryLayout<Slot>.stride }

    /// - Parameters:
    ///   - capacity: most sessions at one time.
    ///   - region: its memory; zero, or what a former process left: then ``rebuild()`` must follow.
    init(capacity: Int, region: MemoryRegion) {
        unsafe base = region.bind(to: Slot.self, count: capacity + 1)
        self.capacity = capacity
        untouched = min(unsafe base[0].next, UInt32(capacity)) + 1
    }

    /// The slot whose event is being served: who dies, dies of it. 0: none.
    var inHand: UInt32 {
        @inline(__always) get { unsafe base[0].previous }
        @inline(__always) nonmutating set { unsafe base[0].previous = newValue }
    }

    /// Finds the free slots again, after everything that is not to live on was given the phase ``Phase/free``.
    mutating func rebuild() {
        firstFree = 0
        used = 0
        for index in stride(from: untouched, to: 1, by: -1).map({ $0 - 1 }) {
            if self[index].phase == .free {
                self[index].next = firstFree
                firstFree = index
            } else {
                used += 1
            }
        }
    }

    subscript(_ index: UInt32) -> Slot {
        // Addresses, not coroutines: those copy the record, or allocate for it.
        @inline(__always) unsafeAddress {
            precondition(index <= UInt32(truncatingIfNeeded: capacity))
            return unsafe UnsafePointer(base + Int(index))
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            precondition(index <= UInt32(truncatingIfNeeded: capacity))
            return unsafe base + Int(index)
        }
    }

    /// A fresh slot; `nil` when all are in use.
    mutating func allocate() -> UInt32? {
        var index = firstFree
        var generation: UInt32 = 0
        if index != 0 {
            firstFree = self[index].next
            generation = self[index].generation
        } else {
            guard Int(untouched) <= capacity else { return nil }
            index = untouched
            unsafe base[0].next = untouched
            untouched += 1
        }
        self[index] = Slot()
        self[index].generation = generation
        used += 1
        return index
    }

    /// Gives a slot back; tags of its present generation find nobody from now on.
    mutating func free(_ index: UInt32) {
        let generation = self[index].generation
        self[index].phase = .free
        self[index].generation = (generation &+ 1) & 0x3FFF_FFFF
        self[index].next = firstFree
        firstFree = index
        used -= 1
    }

    /// One more than the highest index ever used.
    var end: UInt32 { untouched }
}
