// One direction of a session whose bytes are transformed, as it is kept.

import Synchronization
import TLS

/// An ``EdgeProgress`` as it is kept: counts that stand close to another one have their lower halves only, since every idle
/// session has two of these.
struct PackedProgress: BitwiseCopyable {
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
/// Bytes are received into `input`, transformed out of place into `output`, and published by a commit (``EdgeArena``): a
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
    /// What was committed last, as it is kept.
    var packed = PackedProgress()
    /// The source's socket has told its end.
    var isEnded = false

    /// What was committed last.
    var progress: EdgeProgress {
        @inline(__always) get { packed.progress(taken: received, sent: sent) }
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

    // MARK: Of what was committed last, without a copy of the whole

    var consumed: UInt64 { packed.consumed(of: received) }
    var produced: UInt64 { packed.produced(beyond: sent) }
    var controls: UInt8 { packed.controls }
    var answered: UInt8 { packed.answered }
    var asks: UInt8 { packed.asks }
    var told: UInt8 { packed.told }
    var isClosed: Bool { packed.isClosed }
    var isSealed: Bool { packed.isSealed }
    var isReadClosed: Bool { packed.notes.isClosed }
    var writeSequence: UInt64 { packed.writeSequence }
    var ending: EdgeProgress.Ending { packed.ending }

    /// Bytes received and not yet transformed.
    var pending: Int { Int(received - consumed) }
    /// Where they lie in the input's chunk.
    var pendingRange: Range<Int> { Int(consumed - input.base)..<Int(received - input.base) }
    /// Bytes ready for the destination.
    var unsent: Int { Int(produced - sent) }
}

/// What one commit makes true, on its way to the record: one for each loop, which does one commit at a time.
///
/// It is written, named by the number of the record, moved there, and forgotten. Whoever dies before the number stands has
/// committed nothing; whoever dies behind it has, and a successor moves it once more.
struct EdgeCommit: BitwiseCopyable {
    /// The record; 0: nothing is on its way.
    var edge: UInt32 = 0
    var isUp = false
    var packed = PackedProgress()
}
