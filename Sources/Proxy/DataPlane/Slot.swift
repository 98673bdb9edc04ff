// One session as plain data: what the relay needs, and nothing that has to be freed.

import Balancing
import MQTT
import Wire

/// Where a session stands.
enum Phase: UInt8 {
    /// The slot is unused.
    case free
    /// The TLS handshake with the client.
    case securing
    /// Reading the client's request for a WebSocket.
    case upgrading
    /// Reading the client's CONNECT.
    case preamble
    /// The CONNECT is whole and waits: its client reconnects too often.
    case held
    /// Waiting for the TCP connection to a server.
    case connecting
    /// The TLS handshake with the server, and its upgrade to a WebSocket.
    case opening
    /// CONNECT was sent to the server (or is being sent); waiting for its CONNACK.
    case awaiting
    /// Bytes flow both ways untouched.
    case relaying
    /// A refusal was sent; reading and dropping what the client still sends, so that it is not destroyed by a reset.
    case lingering
    /// What it needs died with a former process: its sockets wait for their turn to be closed.
    case orphaned
}

/// One direction of a session: absolute stream offsets, and a chunk only while bytes are in flight.
///
/// With neither chunk nor pipe nothing is in flight: `received == sent`.
///
/// From the moment a session is established ``skipped``, ``replaced`` and ``added`` are constant, and these hold whatever
/// happened before: `skipped + received` bytes were read from the source's socket, and `sent - replaced + added` bytes were
/// written to the destination's. A process that adopts the session compares both with what the kernel has counted.
struct Flow: BitwiseCopyable {
    /// ``chunk``, ``isEnded``, ``isShut``, ``pipe`` and ``streak``, from the lowest bit on: one look tells whether all are 0, as they
    /// are for nearly every message (``isFlowing``).
    private var state: UInt64 = 0
    /// The stream offset at the chunk's first byte.
    var base: UInt64 = 0
    /// Bytes taken from the source since the beginning.
    var received: UInt64 = 0
    /// Of these, bytes given to the destination since the beginning, or replaced.
    var sent: UInt64 = 0
    /// Bytes read from the source's socket before those that `received` counts: the PROXY header of a trusted sender.
    var skipped: UInt32 = 0
    /// Of `sent`, bytes that the destination never gets, at the beginning: a CONNECT that goes out with the head instead.
    var replaced: UInt32 = 0
    /// Bytes the destination gets that are not the source's, at the beginning: the head, which is a PROXY header and the
    /// CONNECT with it. 0: there is no head.
    var added: UInt32 = 0

    var isEmpty: Bool { received == sent }

    /// The chunk's number, counted from 1; 0 when none is attached.
    var chunk: UInt32 {
        @inline(__always) get { UInt32(truncatingIfNeeded: state) }
        @inline(__always) set { state = state & ~0xFFFF_FFFF | UInt64(newValue) }
    }
    /// The source will send no more.
    var isEnded: Bool {
        @inline(__always) get { state & 0xFF << 32 != 0 }
        @inline(__always) set { state = state & ~(0xFF << 32) | (newValue ? 1 << 32 : 0) }
    }
    /// The end was passed on to the destination.
    var isShut: Bool {
        @inline(__always) get { state & 0xFF << 40 != 0 }
        @inline(__always) set { state = state & ~(0xFF << 40) | (newValue ? 1 << 40 : 0) }
    }
    /// Number of the pipe it goes through, counted from 1; 0: none. There is never a chunk too.
    var pipe: UInt8 {
        @inline(__always) get { UInt8(truncatingIfNeeded: state >> 48) }
        @inline(__always) set { state = state & ~(0xFF << 48) | UInt64(newValue) << 48 }
    }
    /// Reads in a row that filled a chunk; from ``Bulk/streak`` on it is bulk, and what is above counts small moves in a row.
    var streak: UInt8 {
        @inline(__always) get { UInt8(truncatingIfNeeded: state >> 56) }
        @inline(__always) set { state = state & ~(0xFF << 56) | UInt64(newValue) << 56 }
    }

    /// Nothing is in flight, the source has not ended, and it is no bulk.
    var isFlowing: Bool {
        @inline(__always) get { state == 0 }
    }
}

/// A session: both sockets, both directions, its deadline, and what the tools show of it.
///
/// Plain data, so that it can live in a memfd beyond the process and be counted: about 300 bytes, and all that an idle
/// session weighs in user memory besides its table entry.
struct Slot: BitwiseCopyable {
    /// Raised each time the slot is freed; part of every tag, so that late events find nobody.
    var generation: UInt32 = 0
    var phase: Phase = .free
    /// MQTT protocol level without the bridge bit; 0 before CONNECT.
    var level: UInt8 = 0
    /// Servers tried for this CONNECT so far.
    var tries: UInt8 = 0
    /// Why this server: place in `Choice.Because.allCases`. While lingering: raw value of the ``EndCause``.
    var reason: UInt8 = 0
    /// A pump stopped for fairness and is on the loop's list of those to continue; a successor continues it. It stands until the
    /// session is in hand.
    var isQueued = false
    /// Counted at a server (pending or established).
    var isCounted = false
    var cleanStart = false
    /// In ``Phase/preamble``: a PROXY header must come first.
    var awaitsProxy = false
    /// Nothing of what flows is read, and both sides count as activity.
    var isOpaque = false
    /// Counted among its listener's sessions.
    var isListed = false
    /// Its record was written before it lingers.
    var isRecorded = false
    /// Raw value of the ``AdmissionRefusal`` it is to be told once its CONNECT is there, with ``AdmissionBounds/untold``
    /// when it is not to be told; 0: none.
    var doom: UInt8 = 0
    /// Counted as connected in its stick table's entry.
    var isPinned = false
    /// Taken over from a former process and not looked at again yet.
    var isInherited = false
    /// The client's or the server's socket may hold bytes that are read only when the relay begins: it told so meanwhile, or was not
    /// read to its end.
    var isClientUnread = true
    var isServerUnread = true
    /// Counted at its source, which is the network of this prefix length; 0: not counted.
    var sourcePrefix: UInt8 = 0
    /// Code of the CONNACK that ended the connect; with ``connackAfter``.
    var connackCode: UInt8 = 0
    var isSessionPresent = false
    /// What keeps it from the shortest way: ``leaving``, and in the highest bit ``awaitsConnack``.
    private var watch: UInt8 = 0
    /// Index of the source address in its backend; `UInt8.max`: none is counted.
    var sourceIndex = UInt8.max
    /// Number of the stick table in whose entry the session counts, or will (``isPinned``); ``noTable``: none.
    var table = Slot.noTable

    /// Number of the session's ``Edge``; 0: bytes pass untouched. Otherwise `up` and `down` count MQTT bytes, and hold
    /// chunks only before the relay begins.
    var edge: UInt32 = 0
    var client: Int32 = -1
    var server: Int32 = -1
    /// Client to server, and back.
    private var flows = InlineArray<2, Flow>(repeating: Flow())

    /// Where the packet ends that the client is being given.
    var boundary = PacketBoundary()
    /// The longest packet the client takes, in bytes (MQTT 5.0, 3.1.2.11.4).
    var maximumPacketSize = UInt32.max
    /// Length of CONNECT in bytes, at the beginning of the upward stream; 0: there is none.
    var connectLength: UInt32 = 0
    /// Seconds, as the client said or the server ordered; 0: none.
    var keepAlive: UInt16 = 0
    var listener: UInt16 = 0
    /// Index of the server in its backend.
    var serverIndex: UInt16 = 0
    /// Which side ended its stream first: 1 the client, 2 the server, 0 neither.
    var firstToEnd: UInt8 = 0
    /// Number of the backend in the snapshot.
    var backendNumber: UInt32 = 0
    /// Servers this CONNECT was tried on in vain.
    var tried = TriedServers()

    /// When the present phase ends by itself; in ``Phase/relaying`` the idle deadline is `lastActivity + idle`.
    var deadline = Int64.max
    /// When the client was last heard, in nanoseconds of the monotonic clock.
    var lastActivity: Int64 = 0
    /// Silence of the client that ends the session, in nanoseconds; `Int64.max`: never.
    var idle = Int64.max
    /// When the connection was accepted.
    var since: Int64 = 0
    /// Microseconds from there: to the whole CONNECT, to its way to a server (a flapping client waits between), to the
    /// server's connection, to its CONNACK; ``never``: not come to.
    var connectAfter = Slot.never
    var triedAfter = Slot.never
    var connectedAfter = Slot.never
    var connackAfter = Slot.never

    /// Identities of the two sockets (SO_COOKIE) once the relay has begun: a number alone may be somebody else's by the
    /// time a successor looks at it. 0: not known.
    var clientCookie: UInt64 = 0
    var serverCookie: UInt64 = 0
    /// Bytes that had moved when a process died with this session in hand and bytes of it in flight, and which death that was;
    /// ``UInt64/max``: none has.
    var diedAfter = UInt64.max
    var diedAt: UInt32 = 0

    /// The wheel's list the slot is on.
    var bucket: UInt32 = TimerWheel.none
    var next: UInt32 = 0
    var previous: UInt32 = 0

    /// The client ID: its length, its first bytes here, the others in blocks from `keyBlock` on.
    var keyLength: UInt16 = 0
    var peerPort: UInt16 = 0
    var keyBlock: UInt32 = 0
    var key = InlineArray<32, UInt8>(repeating: 0)
    /// The client's address; IPv4 in its mapped form.
    var peerHigh: UInt64 = 0
    var peerLow: UInt64 = 0
}

extension Slot {
    /// The session counts in no stick table.
    static let noTable = UInt16.max
    /// A point of its life that a session has not come to.
    static let never = UInt32.max

    /// Microseconds from the accept to `now` (nanoseconds): what is longer than an hour is cut off there.
    func after(_ now: Int64) -> UInt32 { UInt32(clamping: min(max(0, now - since) / 1000, 3_600_000_000)) }

    /// It ends at the next boundary between two packets for the client: raw value of the ``EndCause``, counted from 1; 0: it
    /// does not.
    var leaving: UInt8 {
        get { watch & 0x7F }
        set { watch = watch & 0x80 | newValue & 0x7F }
    }

    var isLeaving: Bool {
        @inline(__always) get { leaving != 0 }
    }

    /// In ``Phase/relaying``: the server has asked for authentication in several steps, and its CONNACK is still to come.
    var awaitsConnack: Bool {
        get { watch & 0x80 != 0 }
        set { watch = newValue ? watch | 0x80 : watch & 0x7F }
    }

    /// Packets for the client that are looked at before it gets them.
    var stops: PacketBoundary.Stops {
        guard level == ProtocolVersion.v5.rawValue, !isOpaque else { return [] }
        return awaitsConnack ? .all : .disconnect
    }

    /// Untouched bytes, both directions empty and open, and no end in sight: what comes goes the shortest way. Where both are open
    /// ``firstToEnd`` is 0.
    var isPassing: Bool {
        @inline(__always) get {
            phase == .relaying && edge == 0 && watch == 0 && !isQueued && up.isFlowing && down.isFlowing
        }
    }

    /// Bytes moved so far, both ways, in and out.
    var moved: UInt64 { up.received &+ up.sent &+ down.received &+ down.sent }

    /// One of the two directions. An accessor that chooses between two places cannot be inlined: it would allocate, and
    /// copy the slot, for every message.
    subscript(isUp isUp: Bool) -> Flow {
        @inline(__always) _read { yield flows[isUp ? 0 : 1] }
        @inline(__always) _modify { yield &flows[isUp ? 0 : 1] }
    }

    /// From the client to the server.
    var up: Flow {
        @inline(__always) _read { yield flows[0] }
        @inline(__always) _modify { yield &flows[0] }
    }

    /// From the server to the client.
    var down: Flow {
        @inline(__always) _read { yield flows[1] }
        @inline(__always) _modify { yield &flows[1] }
    }

    /// The client's address and port.
    var peer: SocketAddress {
        if peerHigh == 0, peerLow >> 32 == 0xFFFF {
            return SocketAddress(.v4(IPv4Address(UInt32(truncatingIfNeeded: peerLow))), port: peerPort)
        }
        return SocketAddress(.v6(IPv6Address(high: peerHigh, low: peerLow)), port: peerPort)
    }

    mutating func setPeer(_ address: SocketAddress) {
        peerPort = address.port
        switch address.address {
        case .v4(let v4):
            peerHigh = 0
            peerLow = 0xFFFF << 32 | UInt64(v4.value)
        case .v6(let v6):
            peerHigh = v6.high
            peerLow = v6.low
        }
    }
}
