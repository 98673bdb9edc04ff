// The pipes of one loop: bulk goes through them from socket to socket (docs/decisions/0012-hot-path.md).

import Linux
import Wire

/// A few pipes, lent to directions in bulk, in memory that outlives the process as the pipes do.
///
/// A pipe is made when it is first wanted and stays: its two descriptors stay open beyond the process, and what is in it when the
/// process dies is still there for the successor, who compares it with what the kernel counted on both sockets.
@safe
struct PipePool: ~Copyable {
    /// Most pipes of a loop: of 1 MiB each, as many as an ordinary user may have for four loops.
    static let maximum = 16
    /// Descriptors of all of them.
    static let descriptors = 2 * maximum
    /// Bytes a pipe is to hold.
    static let width = 1 << 20
    /// A pipe that holds less is of no use.
    static let leastWidth = 1 << 16

    /// What is known of a pipe; plain data.
    struct Record: BitwiseCopyable {
        /// ``SplicePipe/identity(_:)``; 0: there is no such pipe, or nobody can tell.
        var identity: UInt64 = 0
        var reading: Int32 = -1
        var writing: Int32 = -1
    }

    /// Bytes for the records.
    static let bytes = (maximum + 1) * MemoryLayout<Record>.stride

    // Sound: `records` points at `maximum` + 1 records of a mapping that is never unmapped, of which the first is not used; each
    // access checks its number. Only the loop that owns the pool touches it.
    private let records: UnsafeMutablePointer<Record>
    /// What changes; allocated with the pool and freed with it. See ``SlotArena``.
    private let state: UnsafeMutablePointer<State>

    private struct State {
        /// A bit for each pipe that is there and not lent.
        var free: UInt32 = 0
        var used = 0
        var isRefused = false
    }

    /// - Parameter region: its memory, ``bytes`` bytes; zero, or what a former process left: then ``rebuild(inUse:)`` must follow.
    init(region: MemoryRegion) {
        unsafe records = region.bind(to: Record.self, count: Self.maximum + 1)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
    }

    // Sound: made by `init`, used by this value alone.
    deinit { unsafe state.deallocate() }

    /// A pipe's number, counted from 1; `nil`: all are lent, or the kernel gives none.
    func allocate() -> UInt8? {
        // Sound: the state is this pool's own.
        let free = unsafe state.pointee.free
        if free != 0 {
            let number = free.trailingZeroBitCount
            unsafe state.pointee.free = free & (free - 1)
            unsafe state.pointee.used += 1
            return UInt8(truncatingIfNeeded: number)
        }
        guard unsafe !state.pointee.isRefused else { return nil }
        for number in 1...Self.maximum where record(number).identity == 0 {
            guard make(number) else { return nil }
            unsafe state.pointee.used += 1
            return UInt8(number)
        }
        return nil
    }

    /// The kernel cannot do what pipes are for: no more of them.
    func refuse() { unsafe state.pointee.isRefused = true }

    /// Makes the pipe of a record. Who dies before its ends outlive the process leaves none; who dies in between, a record whose pipe
    /// is not whole: it is closed.
    private func make(_ number: Int) -> Bool {
        do {
            let ends = try SplicePipe.make()
            let (reading, writing) = (ends.first.number, ends.second.number)
            guard SplicePipe.widen(writing, to: Self.width) >= Self.leastWidth else {
                // This user has as many wide pipes as he may. Those that are there are enough.
                refuse()
                return false
            }
            store(Record(identity: SplicePipe.identity(reading), reading: reading, writing: writing), number)
            Chaos.point(.pipeMade)
            try keep(number)
            ends.release()
            return true
        } catch {
            store(Record(), number)
            refuse()
            return false
        }
    }

    /// Lets both ends of a pipe outlive the process, also when another program follows it.
    private func keep(_ number: Int) throws(Errno) {
        try Descriptor.setCloseOnExec(record(number).reading, false)
        Chaos.point(.pipeKept)
        try Descriptor.setCloseOnExec(record(number).writing, false)
    }

    /// Takes back an empty pipe.
    func release(_ number: UInt8) {
        precondition(number >= 1 && number <= Self.maximum)
        unsafe state.pointee.free |= 1 << UInt32(number)
        unsafe state.pointee.used -= 1
    }

    /// Closes a pipe with what is in it; another one takes its place when it is wanted.
    func destroy(_ number: UInt8) {
        let old = record(Int(number))
        unsafe state.pointee.used -= 1
        Descriptor.close(old.reading)
        Descriptor.close(old.writing)
        Chaos.point(.pipeClosed)
        // Who dies before this leaves numbers that are no pipe's, or another's.
        store(Record(), Int(number))
    }

    /// The ends of the pipes that are there: those numbers behind which the pipe still is.
    var ends: [Int32] {
        (1...Self.maximum).flatMap { number -> [Int32] in
            let record = record(number)
            guard record.identity != 0 else { return [] }
            return [record.reading, record.writing].filter { SplicePipe.identity($0) == record.identity }
        }
    }

    /// Pipes that are lent.
    var used: Int { unsafe state.pointee.used }

    /// Finds the free pipes again: those that are whole, empty, and not these. All others that are still theirs are closed.
    func rebuild(inUse: Set<UInt8>) {
        unsafe state.pointee = State(used: inUse.count)
        for number in 1...Self.maximum where !inUse.contains(UInt8(number)) && record(number).identity != 0 {
            let old = record(number)
            // Who died while it made this one may have left it without the second half of ``keep(_:)``, and have been followed by its holder,
            // to whom that makes no difference.
            if isWhole(UInt8(number)), SplicePipe.fill(old.reading) == 0, (try? keep(number)) != nil {
                unsafe state.pointee.free |= 1 << UInt32(number)
            } else {
                for end in [old.reading, old.writing] where SplicePipe.identity(end) == old.identity { Descriptor.close(end) }
                store(Record(), number)
            }
        }
    }

    /// Whether both ends are still those of this pipe.
    func isWhole(_ number: UInt8) -> Bool {
        guard number >= 1, number <= Self.maximum else { return false }
        let record = record(Int(number))
        return record.identity != 0 && SplicePipe.identity(record.reading) == record.identity
            && SplicePipe.identity(record.writing) == record.identity
    }

    /// Bytes that are in a pipe; `nil`: it is none.
    func fill(_ number: UInt8) -> Int? { SplicePipe.fill(record(Int(number)).reading) }

    /// Moves at most `count` bytes from a socket into an empty pipe. What is there may be more than fits; whether there is
    /// more at all only receiving tells.
    func receive(_ socket: Int32, into number: UInt8, _ count: Int) -> Transfer {
        SplicePipe.move(socket, record(Int(number)).writing, count)
    }

    /// Moves at most `count` bytes from a pipe to a socket.
    func send(_ socket: Int32, from number: UInt8, _ count: Int) -> Transfer {
        SplicePipe.move(record(Int(number)).reading, socket, count)
    }

    private func record(_ number: Int) -> Record {
        precondition(number >= 1 && number <= Self.maximum)
        return unsafe records[number]
    }

    private func store(_ record: Record, _ number: Int) {
        precondition(number >= 1 && number <= Self.maximum)
        unsafe records[number] = record
    }
}
