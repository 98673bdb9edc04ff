// One event loop of the data plane: a thread, its poller, its sessions.

import Balancing
import Glibc
import Linux
import MQTT
import Synchronization
import TLS
import Wire

/// Serves a share of the sessions from accept to end, on one thread that shares nothing on the path of a message.
///
/// A session lives and dies on one loop. What loops share is touched once for each connection: the stick table, the
/// choice of a server, counters. Sockets are registered once, edge-triggered; bytes are held only while they are in
/// flight.
final class Loop {
    /// Bounds of a loop's work in one turn, so that nobody waits for anybody long.
    enum Share {
        /// Connections taken off one listener, and for how long, in nanoseconds.
        static let accepts = 64
        static let acceptTime: Int64 = 500_000
        /// Nanoseconds for steps of TLS handshakes; the last record begun goes on to its end.
        static let handshakeTime: Int64 = 1_000_000
        /// Handshakes that wait: beyond it no more connections are taken off listeners with TLS. They wait in the kernel,
        /// where no deadline runs.
        static let waitingHandshakes = 512
        /// Nanoseconds beyond which a turn is counted as long: others waited that long for theirs.
        static let longTurn: Int64 = 20_000_000
        /// Chunks moved for one direction of one session, and read of one that has no CONNACK yet.
        static let chunks = 8
        static let beginnings = 2
        /// Records of TLS opened in one step: small ones cost as much as large ones. A step counts as a chunk.
        static let records = 128
        /// Nanoseconds for events taken one batch after the other while ends of sessions wait: what is told behind them is not to wait.
        static let fetchTime: Int64 = 2_000_000
        /// Sessions continued that had used their share, and for how long, in nanoseconds.
        static let continued = 128
        static let continuedTime: Int64 = 2_000_000
        /// Deadlines looked at, and for how long, in nanoseconds: each that has passed closes two sockets or opens one.
        static let deadlines = 1024
        static let deadlineTime: Int64 = 1_000_000
        /// Sessions described for `clients`.
        static let descriptions = 256
        /// Sessions looked at by a command that closes some of them.
        static let closes = 1024
        /// Nanoseconds for a command that goes over all sessions.
        static let choreTime: Int64 = 2_000_000
        /// Inherited sessions that are looked at once more, and that their stick table is told of.
        static let settlements = 64
        /// Events of listeners and the bell.
        static let doors = 64
    }

    /// A turn is never longer than this without work: the heartbeat's resolution.
    static let longestWait: Int64 = 25_000_000
    /// The pause between turns while all chunks are in use.
    static let starvedWait: Int64 = 1_000_000
    /// The pause before more inherited sessions are looked at once more.
    static let settlementWait: Int64 = 1_000_000
    /// How long a refused client may take to read its refusal.
    static let lingerTime: Int64 = 1_000_000_000
    /// How long one side may stay silent after the other ended its stream.
    static let halfCloseTime: Int64 = 30_000_000_000
    /// After the kernel refused to accept, how long a listener rests.
    static let acceptRest: Int64 = 100_000_000

    let number: Int
    let counters: ProxyCounters
    let mailbox: LoopMailbox
    /// When the loop last began a turn, in nanoseconds of the monotonic clock: its heartbeat.
    let pulse: Pulse

    /// The sessions' sockets: outlives this process, and so do the events it has told. Listeners and the bell have a set of their own
    /// within, which ends with the process: in one that lives on they would be heard for ever.
    let poller: EdgePoller
    let doors: EdgePoller
    let slots: SlotArena
    let chunks: ChunkPool
    let pipes: PipePool
    var keys: KeyStore
    /// Records of the sessions whose bytes are transformed, what each has in this process alone (by the record's number),
    /// and where bytes are meanwhile.
    var edges: EdgeArena
    var company: [UInt32: EdgePrivate] = [:]
    var scratch: EdgeScratch
    /// The keys of sessions whose records are ours, and what seals with them; whether this process may.
    let secrets: SessionKeys
    let cipher: RecordCipher
    let charge: Charge
    /// Records under one key before a new one, if the suite allows so many.
    let recordLimit: UInt64
    /// ``Share/handshakeTime``, but for tests.
    let handshakeShare: Int64
    /// Nanoseconds of this turn that handshakes took, and the sessions that wait for a step of theirs.
    var handshakeTime: Int64 = 0
    var waitingHandshakes = HandshakeQueue()
    var wheel: TimerWheel
    var snapshot: Snapshot
    /// The clients that balancers died of.
    let poison: PoisonList?
    /// The time of this turn.
    var now: Int64
    /// Sessions whose pump stopped for fairness: continued in the next turn.
    var queued: [UInt32] = []
    /// Ends of sessions that did not fit into a turn.
    var waitingEnds = EndQueue<EdgePoller.Event>()
    /// A listener has somebody, or the bell rang.
    var isDoorTold = false
    /// Listeners that rest after a refusal of the kernel, and until when.
    var resting: [(socket: Int32, until: Int64)] = []
    var listening: [Int32: ListenerRuntime] = [:]
    /// The addresses that are being left: what still arrives for them is closed at once.
    var leaving: [IPAddress] = []
    /// Connections that are refused as soon as their CONNECT is there, and CONNECTs that wait.
    var refusing = 0
    var held = 0
    /// What the session log tells of a session beyond its slot; empty when nobody asked for it.
    var facts: [UInt32: SessionFacts] = [:]
    /// Work of commands that goes on over several turns.
    var chores: [Chore] = []
    /// Sessions that are not established, as far as there is anything to keep of them outside their slots.
    var prefaces: [UInt32: Preface] = [:]
    /// The client IDs that devices sent, of established sessions whose servers see others; at most ``originalsLimit``
    /// bytes.
    var originals: [UInt32: [UInt8]] = [:]
    var originalBytes = 0
    /// Sessions of a former process that cannot be kept and are not closed yet.
    var orphans = 0
    /// Inherited sessions whose sockets' identities were not looked at yet, and that their stick tables do not know of yet.
    var unsettled: [UInt32] = []
    /// When some of them are looked at.
    var settlesAt: Int64 = 0
    /// More deadlines have passed than one turn serves.
    var isLate = false
    /// What the counters show of what the loop holds: sessions, chunks, pipes, orphans.
    private var shown = (0, 0, 0, 0)
    /// The longest turn so far, in nanoseconds.
    private var longest: Int64 = 0
    /// A session waits for a chunk: a turn without a pause would not bring one.
    var isStarved = false
    var appetite = Appetite(most: LoopMemory.batch)
    var isStopping = false
    /// Nothing new is taken any more: connections are closed as soon as they come.
    var isDraining = false

    /// - Parameter gate: Behind it comes what the loop serves; everything else is done before.
    init(
        number: Int, memory: LoopMemory, counters: ProxyCounters, mailbox: LoopMailbox, pulse: Pulse, poison: PoisonList?,
        behind gate: LoopGate
    ) throws(Errno) {
        self.number = number
        self.counters = counters
        self.mailbox = mailbox
        self.pulse = pulse
        self.poison = poison
        poller = EdgePoller(number: memory.record.poller, events: memory.events, batch: LoopMemory.batch)
        doors = try Shortage.outlast { () throws(Errno) in try EdgePoller(batch: Share.doors) }
        slots = SlotArena(capacity: memory.capacity, region: memory.slots)
        chunks = ChunkPool(count: memory.chunkCount, size: memory.chunkSize, region: memory.chunks)
        pipes = PipePool(region: memory.pipes)
        keys = KeyStore(blocks: memory.keyBlocks, region: memory.keys)
        edges = EdgeArena(capacity: memory.capacity, region: memory.edges)
        scratch = EdgeScratch(size: memory.chunkSize)
        secrets = SessionKeys(capacity: memory.capacity, region: memory.secrets)
        do throws(TLSError) { cipher = try RecordCipher() } catch { throw Errno(ENOTSUP, "RecordCipher: \(error)") }
        charge = memory.charge
        recordLimit = memory.recordLimit
        handshakeShare = memory.handshakeShare
        let start = gate.pass()
        let time = Clock.now
        snapshot = start.snapshot
        now = time.nanoseconds
        wheel = TimerWheel(at: time)
        try doors.addLevel(mailbox.bell.number, tag: Tag.bell)
        try poller.addLevel(doors.number, tag: Tag.doors)
        if memory.isAdopted { inherit(start.inheritance) }
        listen()
        Chaos.point(.listening)
    }

    /// Serves until told to stop.
    func run() {
        // A command that came before the last one is still answered.
        while !isStopping || slots.used > 0 || !chores.isEmpty {
            do {
                try turn()
            } catch {
                preconditionFailure("the loop cannot wait for its sockets: \(error)")
            }
        }
    }

    private func turn() throws(Errno) {
        let isCrowded = !waitingHandshakes.isEmpty
        let start = isCrowded ? Clock.now.nanoseconds : 0
        let used = isCrowded ? Clock.threadTime : 0
        // Before events are fetched: a handshake that fails leaves its server for another one, and the events of both have one tag.
        handshakeTime = 0
        if isCrowded {
            now = start
            continueHandshakes()
        }
        waitingEnds.begin()
        let isBusy = !queued.isEmpty || !waitingHandshakes.isEmpty || !waitingEnds.isEmpty || !chores.isEmpty || isLate
        let pause = unsettled.isEmpty ? Self.longestWait : Self.settlementWait
        let count = try poller.wait(nanoseconds: !isBusy ? pause : isStarved ? Self.starvedWait : 0, most: appetite.events)
        isStarved = false
        now = Clock.now.nanoseconds
        pulse.beat(at: now)
        var apart = -handshakeTime
        serve(count)
        // What has a time of its own, or comes once in a turn, says nothing of what events cost.
        apart += handshakeTime + waitingEnds.used
        let isMore = isDoorTold || !queued.isEmpty || !waitingEnds.isEmpty
        let served = isMore ? Clock.now.nanoseconds : nil
        if !waitingEnds.isEmpty { try fetchBehindEnds(count) }
        if !queued.isEmpty { continueQueued() }
        if !waitingEnds.isEmpty { continueEnds() }
        if isDoorTold { openDoors() }
        slots.inHand = 0
        if now >= wheel.quietUntil { serveDeadlines() }
        slots.inHand = 0
        if !resting.isEmpty { wakeListeners() }
        if !chores.isEmpty { work() }
        if !unsettled.isEmpty { settleInherited() }
        cipher.rest(at: now)
        showHoldings()
        let end = Clock.now.nanoseconds
        appetite.digest(count, took: (served ?? end) - now - apart)
        countTurn(isCrowded ? end - start : end - now, isCrowded ? Clock.threadTime - used : nil)
    }

    /// Serves what the kernel has just told.
    @inline(__always)
    private func serve(_ count: Int) {
        if count > 0 { Chaos.point(.told) }
        let told = poller.told(count)
        for index in 0..<told.count {
            dispatch(told[index])
            Chaos.point(.eventServed)
            forget(told, index)
        }
    }

    /// Takes what was told behind a crowd's ends: it is not to wait for them.
    @inline(never)
    private func fetchBehindEnds(_ count: Int) throws(Errno) {
        var count = count
        while count == appetite.events, Clock.now.nanoseconds - now < Share.fetchTime {
            count = try poller.wait(nanoseconds: 0, most: appetite.events)
            serve(count)
        }
    }

    /// Shows what the loop holds, where that is another number than before.
    @inline(__always)
    private func showHoldings() {
        let held = (slots.used, chunks.used, pipes.used, orphans)
        if held == shown { return }
        shown = held
        counters.set(.sessions, held.0)
        counters.set(.chunks, held.1)
        counters.set(.pipes, held.2)
        counters.set(.orphaned, held.3)
    }

    /// Counts turns that were long: by the clock, and by the time this thread was at work while handshakes waited.
    ///
    /// - Parameters:
    ///   - length: nanoseconds.
    ///   - work: nanoseconds of the processor; `nil`: no handshake waited when the turn began.
    private func countTurn(_ length: Int64, _ work: Int64?) {
        if length > longest {
            longest = length
            counters.set(.longestTurn, Int(length / 1000))
        }
        if length > Share.longTurn { counters.add(.turnsLong) }
        guard let work else { return }
        counters.add(.turnsCrowded)
        counters.raise(.longestCrowdedWork, to: work / 1000)
        if work > Share.longTurn { counters.add(.turnsCrowdedLong) }
    }

    /// An event was served; not before everything it led to is written down.
    @inline(__always)
    func forget(_ told: EdgePoller.Told, _ index: Int) {
        if Mortality.isMortal { return }
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        told.forget(index)
    }

    /// Obeys what other threads ask, and takes connections.
    @inline(never)
    private func openDoors() {
        isDoorTold = false
        // Who dies here dies of none of the sessions.
        slots.inHand = 0
        let count: Int
        do { count = try doors.wait(nanoseconds: 0) } catch {
            preconditionFailure("the loop cannot wait for its listeners: \(error)")
        }
        for index in 0..<count {
            let tag = doors[index].tag
            if tag == Tag.bell { obey(mailbox.fetch()) } else { accept(on: Int32(truncatingIfNeeded: tag)) }
        }
    }
}
