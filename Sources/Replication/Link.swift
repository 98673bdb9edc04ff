// One connection of a peer session: everything that is forgotten when it is cut.

import Wire

/// The state of one connection.
struct Link {
    var openedAt: Instant
    /// This side gave it up; nothing is read or sent any more.
    var isClosing = false
    var peer: Hello?
    var heardAt: Instant
    /// The beginning of a frame whose end has not come; bounded by the longest frame.
    var input: [UInt8] = []

    var helloSent = false
    var drainedSent = false
    var drainedReceived = false
    var heartbeatAt: Instant
    var heartbeatDue = false
    var ackDue = false
    /// Sequence of the last ENTRIES frame received and merged.
    var received: UInt64 = 0
    /// Sequence of the last ENTRIES frame sent.
    var sent: UInt64 = 0
    /// Unacknowledged frames, oldest first; at most ``LinkLimit/window``.
    var inFlight: [InFlight] = []
    /// By position in this side's HELLO.
    var tables: [TableLink] = []
    /// This side's position of the peer's n-th table; nil: not replicated.
    var local: [Int?] = []

    init(openedAt: Instant, heartbeatAt: Instant) {
        self.openedAt = openedAt
        self.heartbeatAt = heartbeatAt
        heardAt = openedAt
    }

    /// A frame the peer has not acknowledged.
    struct InFlight {
        var sequence: UInt64
        var sentAt: Instant
        /// For live updates: the shard and where the cursor stands when this frame is merged.
        var table: Int
        var shard: Int
        var cursor: UInt64?
    }

    /// REPAIRED has come for each common table.
    var isInSync: Bool {
        peer != nil && drainedReceived && tables.allSatisfy { !$0.isCommon || $0.isPulled }
    }
}

/// One table on one connection.
struct TableLink {
    /// Where asking for what we lack stands.
    enum Pull {
        case needed
        case waiting(round: UInt32)
        case done(at: Instant)
        /// The table is not common.
        case never
    }

    /// Sending what the peer lacks.
    struct Repair {
        var round: UInt32
        /// One bit per differing bucket.
        var wanted: [UInt64]
        var shard = 0
        var position = 0

        func wants(bucket: Int) -> Bool { wanted[bucket >> 6] >> UInt64(bucket & 63) & 1 == 1 }
    }

    var isCommon = false
    var pull = Pull.never
    /// The peer answered a pull on this connection, and has not overrun since.
    var isPulled = false
    /// By shard: the last update number sent.
    var cursors: [UInt64] = []
    /// By shard: where the backlog ends that precedes DRAINED.
    var backlog: [UInt64] = []
    /// The shard that is asked first for live updates.
    var turn = 0
    var overrunDue = false
    /// Changes were left out since the ring overran; until REPAIRED is sent, acknowledgements do not cover them.
    var hasGap = false
    var repair: Repair?
    /// The round whose REPAIRED is to be sent.
    var repairedDue: UInt32?
}
