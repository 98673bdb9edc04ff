// What a session whose bytes are transformed on their way has besides its slot, as plain data.

import Synchronization
import WebSocket
import Wire

/// What stands between the MQTT stream and the wire, on either side of a session.
struct EdgeLayers: OptionSet, BitwiseCopyable, Hashable {
    let rawValue: UInt8

    static let clientTLS = EdgeLayers(rawValue: 1)
    static let clientWebSocket = EdgeLayers(rawValue: 2)
    static let serverTLS = EdgeLayers(rawValue: 4)
    static let serverWebSocket = EdgeLayers(rawValue: 8)

    /// State that is private to this process: who adopts the session later can only count and close it.
    static let opaque: EdgeLayers = [.clientTLS, .serverTLS]

    /// Whether TLS is spoken with one of the sides.
    func hasTLS(client: Bool) -> Bool { contains(client ? .clientTLS : .serverTLS) }
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
    /// Where the source's frames stand, when it speaks WebSocket.
    var reader: FrameReader
    /// The source's last ping or close, and how many of them were heard. Only the last needs an answer (RFC 6455,
    /// 5.5.3), so a flood of them costs no memory.
    var control: ControlFrame?
    var controls: UInt64 = 0
    var ending = Ending.open
    /// Of the destination's own pings and closes, those answered with what this direction produced.
    var answered: UInt64 = 0
    /// The destination was sent a close frame: nothing may follow.
    var isClosed = false

    init(isSourceClient: Bool) { reader = FrameReader(policy: FramePolicy(isPeerClient: isSourceClient)) }
}

/// One direction of a transformed session.
///
/// Bytes are received into `input`, transformed out of place into `output`, and published by one store of `isSecond`: a
/// death before it transforms the same bytes again, and only published bytes are ever sent.
struct EdgeFlow: BitwiseCopyable {
    var input = EdgeBytes()
    /// Bytes taken from the source's socket since the beginning.
    var received: UInt64 = 0
    /// The source's socket has told its end.
    var isEnded = false
    var output = EdgeBytes()
    /// Bytes given to the destination's socket since the beginning.
    var sent: UInt64 = 0

    private var first: EdgeProgress
    private var second: EdgeProgress
    private var isSecond = false

    init(isUp: Bool) {
        first = EdgeProgress(isSourceClient: isUp)
        second = first
    }

    /// What was committed last.
    var progress: EdgeProgress {
        @inline(__always) get { isSecond ? second : first }
    }

    /// Publishes: the idle half is written, then the one byte that names it.
    mutating func commit(_ progress: EdgeProgress) {
        if isSecond { first = progress } else { second = progress }
        Chaos.point(.halfWritten)
        // Whoever finds the byte finds the half it names whole.
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        isSecond.toggle()
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
    var consumed: UInt64 { isSecond ? second.consumed : first.consumed }
    var produced: UInt64 { isSecond ? second.produced : first.produced }
    var controls: UInt64 { isSecond ? second.controls : first.controls }
    var answered: UInt64 { isSecond ? second.answered : first.answered }
    var isClosed: Bool { isSecond ? second.isClosed : first.isClosed }
    var ending: EdgeProgress.Ending { isSecond ? second.ending : first.ending }

    /// Bytes received and not yet transformed.
    var pending: Int { Int(received - consumed) }
    /// Where they lie in the input's chunk.
    var pendingRange: Range<Int> { Int(consumed - input.base)..<Int(received - input.base) }
    /// Bytes ready for the destination.
    var unsent: Int { Int(produced - sent) }
}

/// The record of one session: about 1.5 KiB, without any buffer while the session is idle.
struct Edge: BitwiseCopyable {
    /// The slot it belongs to; 0: the record is unused.
    var slot: UInt32 = 0
    var layers: EdgeLayers = []
    /// The key of the masks of our frames to a server: nobody else can guess them, and the same bytes get the same mask
    /// when they have to be transformed again.
    var maskKey = (UInt64(0), UInt64(0))
    /// Bytes the server's socket was given before `up`'s first: a PROXY header, in the clear before TLS.
    var greeted: UInt32 = 0
    var up = EdgeFlow(isUp: true)
    var down = EdgeFlow(isUp: false)

    /// One of the two directions.
    subscript(isUp isUp: Bool) -> EdgeFlow {
        @inline(__always) _read {
            if isUp { yield up } else { yield down }
        }
        @inline(__always) _modify {
            if isUp { yield &up } else { yield &down }
        }
    }

    /// The mask of the frame that begins at this offset of the server's stream.
    func mask(at offset: UInt64) -> UInt32 {
        let bytes = InlineArray<8, UInt8> { UInt8(truncatingIfNeeded: offset >> UInt64(8 * $0)) }
        return UInt32(truncatingIfNeeded: SipHash(maskKey.0, maskKey.1).hash(bytes.span))
    }
}
