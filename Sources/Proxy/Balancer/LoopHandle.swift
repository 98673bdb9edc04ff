// A loop as the main thread knows it.

import Linux
import Wire

/// The main thread's end of a running loop.
struct LoopHandle: Sendable {
    let mailbox: LoopMailbox
    let pulse: Pulse
    let counters: ProxyCounters

    /// Starts a loop on a thread of its own.
    ///
    /// - Parameters:
    ///   - capacity: Most sessions at one time.
    ///   - chunkSize: Bytes of a buffer; a CONNECT must fit one.
    static func start(number: Int, capacity: Int, chunkSize: Int, snapshot: Snapshot) throws(Errno) -> LoopHandle {
        try start(
            number: number, memory: try LoopMemory(capacity: capacity, chunkSize: chunkSize), snapshot: snapshot)
    }

    /// The same in memory that a successor of this process finds, or that a predecessor has left.
    ///
    /// - Parameters:
    ///   - inheritance: What the numbers in the memory mean, when a predecessor wrote it.
    ///   - poison: The clients that balancers died of.
    ///   - isFiltered: The thread may start neither thread nor program.
    static func start(
        number: Int, memory: LoopMemory, snapshot: Snapshot, inheritance: SurvivalDirectory.Translation? = nil,
        poison: PoisonList? = nil, isFiltered: Bool = false
    ) throws(Errno) -> LoopHandle {
        let gate = try LoopGate()
        gate.open(LoopStart(snapshot: snapshot, inheritance: inheritance))
        return try start(number: number, memory: memory, behind: gate, poison: poison, isFiltered: isFiltered)
    }

    /// The same before it is known what it serves: it waits behind the gate, with everything else done.
    static func start(
        number: Int, memory: LoopMemory, behind gate: LoopGate, poison: PoisonList? = nil, isFiltered: Bool = false
    ) throws(Errno) -> LoopHandle {
        let mailbox = try LoopMailbox()
        let handle = LoopHandle(mailbox: mailbox, pulse: Pulse(), counters: ProxyCounters())
        handle.pulse.beat(at: Clock.now.nanoseconds)
        _ = try Thread(name: "loop \(number)") {
            // Who reads the clients' bytes starts nothing. Where the kernel has no filters, that was said at the start.
            if isFiltered { try? SystemCallFilter.loop.install() }
            do {
                let loop = try Loop(
                    number: number, memory: memory, counters: handle.counters, mailbox: handle.mailbox, pulse: handle.pulse,
                    poison: poison, behind: gate)
                loop.run()
            } catch {
                // Without its memory or its poller the loop cannot serve: no heartbeat, and the supervisor acts.
                preconditionFailure("loop \(number) cannot start: \(error)")
            }
        }
        return handle
    }

    /// Whether the loop has begun a turn lately.
    func isAlive(at now: Instant) -> Bool { now.nanoseconds - pulse.last < Self.patience }

    /// A loop that has not turned for so many nanoseconds does not serve.
    private static let patience: Int64 = 500_000_000
}
