// What a session whose bytes are transformed on their way has besides its slot, as plain data.

import Synchronization
import TLS
import WebSocket
import Wire

/// What stands between the MQTT stream and the wire, on either side of a session.
struct EdgeLayers: OptionSet, BitwiseCopyable, Hashable {
    let rawValue: UInt8

    static let clientTLS = EdgeLayers(rawValue: 1)
    static let clientWebSocket = EdgeLayers(rawValue: 2)
    static let serverTLS = EdgeLayers(rawValue: 4)
    static let serverWebSocket = EdgeLayers(rawValue: 8)
    /// The side's TLS is plain data: its records are read and written here, OpenSSL's part is over.
    static let clientRecords = EdgeLayers(rawValue: 16)
    static let serverRecords = EdgeLayers(rawValue: 32)

    /// Whether there is state that is private to this process: who adopts the session later can only count and close it.
    var isOpaque: Bool {
        (contains(.clientTLS) && !contains(.clientRecords)) || (contains(.serverTLS) && !contains(.serverRecords))
    }

    /// Whether TLS is spoken with one of the sides.
    func hasTLS(client: Bool) -> Bool { contains(client ? .clientTLS : .serverTLS) }
    /// Whether the records of one of the sides are ours.
    func hasRecords(client: Bool) -> Bool { contains(client ? .clientRecords : .serverRecords) }
    /// Whether frames are spoken with one of the sides; not before its upgrade is done.
    func hasWebSocket(client: Bool) -> Bool { contains(client ? .clientWebSocket : .serverWebSocket) }
}

/// Bytes at absolute offsets of a stream, and a chunk only while there are any.
struct EdgeBytes: BitwiseCopyable {
    /// The chunk's number, counted from 1; 0 when none is attached.
    var chunk: UInt32 = 0
    /// The stream offset at the chunk's first byte.
    var base: UInt64 = 0
}

/// How far one direction's transformation has come: what a commit publishes as a whole.
struct EdgeProgress: BitwiseCopyable {
    /// How a WebSocket side has ended its stream.
    enum Ending: BitwiseCopyable {
        case open
        /// It sent a close frame.
        case closed
        /// It broke a rule; the close frame it is owed.
        case violated(FrameViolation)
    }

    /// Bytes of the source's stream that were transformed.
    var consumed: UInt64 = 0
    /// Bytes of the MQTT stream taken from the source, and of these, passed into `produced`.
    var received: UInt64 = 0
    var passed: UInt64 = 0
    /// Bytes for the destination's stream that came of it: those beyond what was sent stand in the output's chunk.
    var produced: UInt64 = 0

    /// The number of the source's next record, and of ours to the destination.
    var readSequence: UInt64 = 0
    var writeSequence: UInt64 = 0
    /// What has to be remembered between two records of the source.
    var notes = RecordNotes()
    /// Pings and closes heard from the source, wrapping around: they are compared only. Only the last needs an answer (RFC 6455, 5.5.3), so a flood of them costs
    /// no memory.
    var controls: UInt8 = 0
    /// Of the destination's own pings and closes, those answered with what this direction produced.
    var answered: UInt8 = 0
    /// What the source's TLS wants to be answered, by new keys (RFC 8446, 4.6.3) or with a warning (RFC 5246, 7.2.2);
    /// however often it asks, one answer does.
    var asks: UInt8 = 0
    /// Of the destination's, those answered.
    var told: UInt8 = 0
    /// The lowest bits of the generations of the keys that these numbers count with.
    var readGeneration: UInt8 = 0
    var writeGeneration: UInt8 = 0
    /// Where the source's frames stand, when it speaks WebSocket.
    var ending = Ending.open
    /// Which half of the frames' state is in force.
    var isSecondFrames = false
    /// The destination was sent a close frame: nothing may follow.
    var isClosed = false
    /// The destination was sent the end of our records: nothing may be sealed any more.
    var isSealed = false
}

/// Where the frames of one source stand: 300 bytes that only sessions over WebSocket touch.
struct EdgeFrames: BitwiseCopyable {
    /// One of the two halves.
    struct Half: BitwiseCopyable {
        var reader: FrameReader
        /// The last ping or close.
        var control: ControlFrame?
    }

    private var first: Half
    private var second: Half
    /// The key of the masks of our own frames to a server: nobody else can guess them, and the same bytes get the same mask when
    /// they have to be transformed again.
    private var maskKey = (UInt64(0), UInt64(0))

    init(isSourceClient: Bool) {
        // Unguessable, as RFC 6455, 5.3 asks for: the system's generator.
        if !isSourceClient { maskKey = (UInt64.random(in: 0 ... .max), UInt64.random(in: 0 ... .max)) }
        first = Half(reader: FrameReader(policy: FramePolicy(isPeerClient: isSourceClient)))
        second = first
    }

    /// The mask of the frame that begins at this offset of the server's stream.
    func mask(at offset: UInt64) -> UInt32 {
        let bytes = InlineArray<8, UInt8> { UInt8(truncatingIfNeeded: offset >> UInt64(8 * $0)) }
        return UInt32(truncatingIfNeeded: SipHash(maskKey.0, maskKey.1).hash(bytes.span))
    }

    /// What is in force by a progress.
    func current(_ progress: EdgeProgress) -> Half { progress.isSecondFrames ? second : first }

    /// Writes the half that is not in force, and makes the progress name it: once between two commits.
    mutating func advance(_ half: Half, _ progress: inout EdgeProgress) {
        if progress.isSecondFrames { first = half } else { second = half }
        progress.isSecondFrames.toggle()
    }
}

/// An ``EdgeProgress`` as it is kept: counts that stand close to another one have their lower halves only, since every idle
/// session has four of these.
private struct PackedProgress: BitwiseCopyable {
    private var received: UInt64 = 0
    var readSequence: UInt64 = 0
    var writeSequence: UInt64 = 0
    /// Behind the source's stream and ahead of the destination's by less than a chunk, as `passed` is behind `received`.
    private var lowConsumed: UInt32 = 0
    private var lowProduced: UInt32 = 0
    private var lowPassed: UInt32 = 0
    var notes = RecordNotes()
    var controls: UInt8 = 0
    var answered: UInt8 = 0
    var asks: UInt8 = 0
    var told: UInt8 = 0
    private var readGeneration: UInt8 = 0
    private var writeGeneration: UInt8 = 0
    var ending = EdgeProgress.Ending.open
    private var flags: Flags = []

    private struct Flags: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        static let isSecondFrames = Flags(rawValue: 1)
        static let isClosed = Flags(rawValue: 2)
        static let isSealed = Flags(rawValue: 4)
    }

    var isClosed: Bool { flags.contains(.isClosed) }
    var isSealed: Bool { flags.contains(.isSealed) }

    init() {}

    @inline(__always)
    init(_ progress: EdgeProgress) {
        received = progress.received
        readSequence = progress.readSequence
        writeSequence = progress.writeSequence
        lowConsumed = UInt32(truncatingIfNeeded: progress.consumed)
        lowProduced = UInt32(truncatingIfNeeded: progress.produced)
        lowPassed = UInt32(truncatingIfNeeded: progress.passed)
        notes = progress.notes
        controls = progress.controls
        answered = progress.answered
        asks = progress.asks
        told = progress.told
        readGeneration = progress.readGeneration
        writeGeneration = progress.writeGeneration
        ending = progress.ending
        if progress.isSecondFrames { flags.insert(.isSecondFrames) }
        if progress.isClosed { flags.insert(.isClosed) }
        if progress.isSealed { flags.insert(.isSealed) }
    }

    /// Bytes transformed, of so many that were taken.
    @inline(__always)
    func consumed(of taken: UInt64) -> UInt64 { taken.less(lowConsumed) }

    /// Bytes produced, of which so many were sent.
    @inline(__always)
    func produced(beyond sent: UInt64) -> UInt64 { sent &+ UInt64(lowProduced &- UInt32(truncatingIfNeeded: sent)) }

    /// The whole, by what the direction has taken and sent.
    @inline(__always)
    func progress(taken: UInt64, sent: UInt64) -> EdgeProgress {
        EdgeProgress(
            consumed: consumed(of: taken), received: received, passed: received.less(lowPassed), produced: produced(beyond: sent),
            readSequence: readSequence, writeSequence: writeSequence, notes: notes, controls: controls, answered: answered,
            asks: asks, told: told, readGeneration: readGeneration, writeGeneration: writeGeneration, ending: ending,
            isSecondFrames: flags.contains(.isSecondFrames), isClosed: isClosed, isSealed: isSealed)
    }
}

extension UInt64 {
    /// The number at most 2^32 - 1 below this one that has this lower half.
    @inline(__always)
    fileprivate func less(_ lower: UInt32) -> UInt64 { self &- UInt64(UInt32(truncatingIfNeeded: self) &- lower) }
}

/// One direction of a transformed session.
///
/// Bytes are received into `input`, transformed out of place into `output`, and published by one store of `isSecond`: a
/// death before it transforms the same bytes again, and only published bytes are ever sent.
struct EdgeFlow: BitwiseCopyable {
    /// Bytes taken from the source's socket since the beginning.
    var received: UInt64 = 0
    /// Bytes given to the destination's socket since the beginning.
    var sent: UInt64 = 0
    // Apart, so that they take no room for nothing; of the bases, which are less than a chunk behind, the lower halves.
    private var inputBase: UInt32 = 0
    private var outputBase: UInt32 = 0
    private var inputChunk: UInt32 = 0
    private var outputChunk: UInt32 = 0
    /// What was received and not transformed.
    var input: EdgeBytes {
        @inline(__always) get { EdgeBytes(chunk: inputChunk, base: received.less(inputBase)) }
        @inline(__always) set {
            inputBase = UInt32(truncatingIfNeeded: newValue.base)
            inputChunk = newValue.chunk
        }
    }
    /// What was transformed and not sent.
    var output: EdgeBytes {
        @inline(__always) get { EdgeBytes(chunk: outputChunk, base: sent.less(outputBase)) }
        @inline(__always) set {
            outputBase = UInt32(truncatingIfNeeded: newValue.base)
            outputChunk = newValue.chunk
        }
    }
    private var first = PackedProgress()
    private var second = PackedProgress()
    private var isSecond = false
    /// The source's socket has told its end.
    var isEnded = false

    /// What was committed last.
    var progress: EdgeProgress {
        @inline(__always) get { (isSecond ? second : first).progress(taken: received, sent: sent) }
    }

    /// Publishes: the idle half is written, then the one byte that names it.
    mutating func commit(_ progress: EdgeProgress) {
        if isSecond { first = PackedProgress(progress) } else { second = PackedProgress(progress) }
        Chaos.point(.halfWritten)
        // Whoever finds the byte finds the half it names whole.
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        isSecond.toggle()
        atomicMemoryFence(ordering: .acquiringAndReleasing)
    }

    /// Attaches a chunk whose first byte stands at an offset of the stream: the place is told before the chunk is, so that a
    /// successor never takes one for the other.
    mutating func attachInput(_ chunk: UInt32, at offset: UInt64) {
        Chaos.point(.inputTaken)
        input.base = offset
        Chaos.point(.inputBaseStored)
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        input.chunk = chunk
        Chaos.point(.inputAttached)
    }

    /// The same for what goes out.
    mutating func attachOutput(_ chunk: UInt32, at offset: UInt64) {
        Chaos.point(.outputTaken)
        output.base = offset
        Chaos.point(.outputBaseStored)
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        output.chunk = chunk
        Chaos.point(.outputAttached)
    }

    /// The same, without a copy of the whole.
    var consumed: UInt64 { (isSecond ? second : first).consumed(of: received) }
    var produced: UInt64 { (isSecond ? second : first).produced(beyond: sent) }
    var controls: UInt8 { isSecond ? second.controls : first.controls }
    var answered: UInt8 { isSecond ? second.answered : first.answered }
    var asks: UInt8 { isSecond ? second.asks : first.asks }
    var told: UInt8 { isSecond ? second.told : first.told }
    var isClosed: Bool { isSecond ? second.isClosed : first.isClosed }
    var isSealed: Bool { isSecond ? second.isSealed : first.isSealed }
    var isReadClosed: Bool { isSecond ? second.notes.isClosed : first.notes.isClosed }
    var writeSequence: UInt64 { isSecond ? second.writeSequence : first.writeSequence }
    var ending: EdgeProgress.Ending { isSecond ? second.ending : first.ending }

    /// Bytes received and not yet transformed.
    var pending: Int { Int(received - consumed) }
    /// Where they lie in the input's chunk.
    var pendingRange: Range<Int> { Int(consumed - input.base)..<Int(received - input.base) }
    /// Bytes ready for the destination.
    var unsent: Int { Int(produced - sent) }
}

/// The record of one session: 336 bytes, without any buffer while the session is idle.
struct Edge: BitwiseCopyable {
    /// The slot it belongs to; 0: the record is unused.
    var slot: UInt32 = 0
    var layers: EdgeLayers = []
    /// Bytes the server's socket was given before `up`'s first: a PROXY header, in the clear before TLS.
    var greeted: UInt32 = 0
    /// Client to server, and back.
    private var flows = InlineArray<2, EdgeFlow>(repeating: EdgeFlow())
    /// The versions and suites of sides whose records are ours.
    var clientRecords = RecordParameters(version: .tls13, suite: .aes128GCM, isServer: true)
    var serverRecords = RecordParameters(version: .tls13, suite: .aes128GCM, isServer: false)

    /// The version and suite of a side.
    func records(client: Bool) -> RecordParameters { client ? clientRecords : serverRecords }

    /// One of the two directions; see `Slot`.
    subscript(isUp isUp: Bool) -> EdgeFlow {
        @inline(__always) _read { yield flows[isUp ? 0 : 1] }
        @inline(__always) _modify { yield &flows[isUp ? 0 : 1] }
    }

    var up: EdgeFlow {
        @inline(__always) _read { yield flows[0] }
        @inline(__always) _modify { yield &flows[0] }
    }

    var down: EdgeFlow {
        @inline(__always) _read { yield flows[1] }
        @inline(__always) _modify { yield &flows[1] }
    }
}
