// The sessions of one loop, in memory that other processes may map.

import Linux
import Wire

/// A fixed number of ``Slot``s in a mapped memfd, with a free list.
///
/// Index 0 is never given out, so that 0 can mean *none* in links. Its record is the arena's own: `next` is the highest
/// index ever used, `previous` the slot in hand. The free list is not kept: it is found again from the phases.
///
/// Nothing of it is changed by its own users' mutation, so that a loop holds it in a constant: a variable of a class is
/// checked for exclusive use at each access, several times for a message.
@safe
struct SlotArena: ~Copyable {
    // Sound: `base` points at `capacity` slots of a mapping that is never unmapped; each was initialised at creation,
    // and every access checks its index. Only the loop that owns the arena touches it.
    private let base: UnsafeMutablePointer<Slot>
    let capacity: Int
    /// What changes; allocated with the arena and freed with it.
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var firstFree: UInt32 = 0
        var used = 0
        /// Slots from here on were never used: their memory has not been touched.
        var untouched: UInt32 = 1
    }

    private var firstFree: UInt32 {
        @inline(__always) get { unsafe state.pointee.firstFree }
        @inline(__always) nonmutating set { unsafe state.pointee.firstFree = newValue }
    }
    private(set) var used: Int {
        @inline(__always) get { unsafe state.pointee.used }
        @inline(__always) nonmutating set { unsafe state.pointee.used = newValue }
    }
    private var untouched: UInt32 {
        @inline(__always) get { unsafe state.pointee.untouched }
        @inline(__always) nonmutating set { unsafe state.pointee.untouched = newValue }
    }

    /// Bytes for so many sessions.
    static func bytes(capacity: Int) -> Int { (capacity + 1) * MemoryLayout<Slot>.stride }

    /// - Parameters:
    ///   - capacity: most sessions at one time.
    ///   - region: its memory; zero, or what a former process left: then ``rebuild()`` must follow.
    init(capacity: Int, region: MemoryRegion) {
        unsafe base = region.bind(to: Slot.self, count: capacity + 1)
        self.capacity = capacity
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
        untouched = min(unsafe base[0].next, UInt32(capacity)) + 1
    }

    // Sound: made by `init`, used by this value alone.
    deinit { unsafe state.deallocate() }

    /// The slot whose event is being served: who dies, dies of it. 0: none.
    var inHand: UInt32 {
        @inline(__always) get { unsafe base[0].previous }
        @inline(__always) nonmutating set { if !Mortality.isMortal { unsafe base[0].previous = newValue } }
    }

    /// Finds the free slots again, after everything that is not to live on was given the phase ``Phase/free``.
    func rebuild() {
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

    /// Where a slot is, for the path of a message: its fields are then one instruction away, and stores to them stay where they
    /// are written, before and behind system calls.
    @inline(__always)
    func address(_ index: UInt32) -> UnsafeMutablePointer<Slot> {
        precondition(index <= UInt32(truncatingIfNeeded: capacity))
        return unsafe base + Int(index)
    }

    /// A fresh slot; `nil` when all are in use.
    func allocate() -> UInt32? {
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
    func free(_ index: UInt32) {
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
