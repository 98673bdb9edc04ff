// The edge records of one loop, in memory that other processes may map.

import Linux
import Wire

/// ``Edge`` records in a mapped memfd, given out only to sessions that need one.
///
/// Index 0 is never given out, so that 0 can mean *none* in a slot. Which records are free is not kept in the memfd: the
/// slots tell.
@safe
struct EdgeArena: ~Copyable {
    // Sound: `base` points at `capacity + 1` records of a mapping that is never unmapped; each is initialised before it is
    // given out, and every access checks its index. Only the loop that owns the arena touches it.
    private let base: UnsafeMutablePointer<Edge>
    /// Behind them, two for each: where the frames of the client and of the server stand. Touched by WebSocket only, and
    /// initialised when it begins.
    private let frames: UnsafeMutablePointer<EdgeFrames>
    let capacity: Int
    private var free: [UInt32] = []
    /// Records from here on were never used: their memory has not been touched.
    private var untouched: UInt32 = 1

    /// Bytes for so many sessions.
    static func bytes(capacity: Int) -> Int { framesOffset(capacity) + 2 * (capacity + 1) * MemoryLayout<EdgeFrames>.stride }

    private static func framesOffset(_ capacity: Int) -> Int {
        // On a page of their own.
        ((capacity + 1) * MemoryLayout<Edge>.stride + 4095) / 4096 * 4096
    }

    /// - Parameters:
    ///   - capacity: most records at one time: one for each session.
    ///   - region: its memory.
    init(capacity: Int, region: MemoryRegion) {
        unsafe base = region.bind(to: Edge.self, count: capacity + 1)
        let offset = Self.framesOffset(capacity)
        unsafe frames = region.slice(offset, count: region.count - offset)
            .bind(to: EdgeFrames.self, count: 2 * (capacity + 1))
        self.capacity = capacity
    }

    subscript(_ index: UInt32) -> Edge {
        @inline(__always) _read {
            precondition(index != 0 && index < untouched)
            yield unsafe base[Int(index)]
        }
        @inline(__always) _modify {
            precondition(index != 0 && index < untouched)
            yield unsafe &base[Int(index)]
        }
    }

    /// Where the frames of a side stand: of the client, for the way up.
    subscript(frames index: UInt32, isUp isUp: Bool) -> EdgeFrames {
        @inline(__always) _read {
            precondition(index != 0 && index < untouched)
            yield unsafe frames[2 * Int(index) + (isUp ? 0 : 1)]
        }
        @inline(__always) _modify {
            precondition(index != 0 && index < untouched)
            yield unsafe &frames[2 * Int(index) + (isUp ? 0 : 1)]
        }
    }

    /// One more than the highest record ever used.
    var end: UInt32 { untouched }

    /// Makes every record readable, to look at those a former process left; ``rebuild(inUse:)`` must follow.
    mutating func beginAdoption() { untouched = UInt32(capacity) + 1 }

    /// Finds the free records again: all but these.
    mutating func rebuild(inUse: Set<UInt32>) {
        untouched = (inUse.max() ?? 0) + 1
        free = (1..<untouched).reversed().filter { !inUse.contains($0) }
    }

    /// Records in use.
    var used: Int { Int(untouched) - 1 - free.count }

    /// A fresh record for a slot; there is one for each slot of the loop.
    mutating func allocate(for slot: UInt32) -> UInt32 {
        let index: UInt32
        if let known = free.popLast() {
            index = known
        } else {
            precondition(Int(untouched) <= capacity, "more edges than slots")
            index = untouched
            untouched += 1
        }
        self[index] = Edge()
        self[index].slot = slot
        return index
    }

    /// Gives a record back.
    mutating func release(_ index: UInt32) {
        self[index].slot = 0
        free.append(index)
    }
}
