// The edge records of one loop, in memory that other processes may map.

import Linux
import Synchronization
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
    /// Before them: the commit that is on its way. Zero bytes are none.
    private let commit: UnsafeMutablePointer<EdgeCommit>
    /// Behind them, two for each: where the frames of the client and of the server stand. Touched by WebSocket only, and
    /// initialised when it begins.
    private let frames: UnsafeMutablePointer<EdgeFrames>
    let capacity: Int
    private var free: [UInt32] = []
    /// Records from here on were never used: their memory has not been touched.
    private var untouched: UInt32 = 1

    /// Bytes for so many sessions.
    static func bytes(capacity: Int) -> Int { framesOffset(capacity) + 2 * (capacity + 1) * MemoryLayout<EdgeFrames>.stride }

    /// Bytes before the records.
    private static let recordsOffset = 128

    private static func framesOffset(_ capacity: Int) -> Int {
        // On a page of their own.
        (recordsOffset + (capacity + 1) * MemoryLayout<Edge>.stride + 4095) / 4096 * 4096
    }

    /// - Parameters:
    ///   - capacity: most records at one time: one for each session.
    ///   - region: its memory.
    init(capacity: Int, region: MemoryRegion) {
        let offset = Self.framesOffset(capacity)
        unsafe commit = region.slice(0, count: Self.recordsOffset).bind(to: EdgeCommit.self, count: 1)
        unsafe base = region.slice(Self.recordsOffset, count: offset - Self.recordsOffset).bind(to: Edge.self, count: capacity + 1)
        unsafe frames = region.slice(offset, count: region.count - offset)
            .bind(to: EdgeFrames.self, count: 2 * (capacity + 1))
        self.capacity = capacity
    }

    subscript(_ index: UInt32) -> Edge {
        // Addresses, not coroutines: those copy the record, or allocate for it.
        @inline(__always) unsafeAddress {
            precondition(index != 0 && index < untouched)
            return unsafe UnsafePointer(base + Int(index))
        }
        @inline(__always) nonmutating unsafeMutableAddress {
            precondition(index != 0 && index < untouched)
            return unsafe base + Int(index)
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

    // MARK: Commits

    /// Publishes how far a direction has come: from one store on, all of it is true, whoever dies.
    @inline(__always)
    func publish(_ progress: EdgeProgress, _ index: UInt32, isUp: Bool) {
        precondition(index != 0 && index < untouched)
        let packed = PackedProgress(progress)
        unsafe commit.pointee.isUp = isUp
        unsafe commit.pointee.packed = packed
        Chaos.point(.progressWritten)
        // Last: whoever finds the number finds the progress whole.
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        unsafe commit.pointee.edge = index
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        Chaos.point(.committed)
        self[index][isUp: isUp].packed = packed
        Chaos.point(.progressMoved)
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        unsafe commit.pointee.edge = 0
        atomicMemoryFence(ordering: .acquiringAndReleasing)
    }

    /// Moves what a former process had committed and not moved, or not forgotten.
    private func finishCommit() {
        let found = unsafe commit.pointee
        guard found.edge != 0 else { return }
        if Int(found.edge) <= capacity { self[found.edge][isUp: found.isUp].packed = found.packed }
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        unsafe commit.pointee.edge = 0
    }

    /// One more than the highest record ever used.
    var end: UInt32 { untouched }

    /// Makes every record readable, to look at those a former process left, with what it had committed; ``rebuild(inUse:)`` must
    /// follow.
    mutating func beginAdoption() {
        untouched = UInt32(capacity) + 1
        finishCommit()
    }

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
