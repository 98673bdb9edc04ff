// What a session whose bytes are transformed on their way has besides its slot, as plain data.

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

/// The record of one session: 200 bytes, without any buffer while the session is idle.
struct Edge: BitwiseCopyable {
    // In an order that leaves no gaps.
    /// The slot it belongs to; 0: the record is unused.
    var slot: UInt32 = 0
    /// Bytes the server's socket was given before `up`'s first: a PROXY header, in the clear before TLS.
    var greeted: UInt32 = 0
    var layers: EdgeLayers = []
    /// The versions and suites of sides whose records are ours.
    var clientRecords = RecordParameters(version: .tls13, suite: .aes128GCM, isServer: true)
    var serverRecords = RecordParameters(version: .tls13, suite: .aes128GCM, isServer: false)
    /// Client to server, and back.
    private var flows = InlineArray<2, EdgeFlow>(repeating: EdgeFlow())

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
