// The sessions of one loop, in memory that other processes may map.

import Linux
import Wire

/// A fixed number of ``Slot``s in a mapped memfd, with a free list.
///
/// Index 0 is never given out, so that 0 can mean *none* in links.
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

    /// - Parameter capacity: most sessions at one time.
    init(capacity: Int) throws(Errno) {
        let file = try Memfd.create(name: "understudy-slots", size: (capacity + 1) * MemoryLayout<Slot>.stride)
        let region = try Memfd.map(file.number)
        unsafe base = region.bind(to: Slot.self, count: capacity + 1)
        self.capacity = capacity
    }

    subscript(_ index: UInt32) -> Slot {
        @inline(__always) _read {
            precondition(index <= UInt32(truncatingIfNeeded: capacity))
            yield unsafe base[Int(index)]
        }
        @inline(__always) _modify {
            precondition(index <= UInt32(truncatingIfNeeded: capacity))
            yield unsafe &base[Int(index)]
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
