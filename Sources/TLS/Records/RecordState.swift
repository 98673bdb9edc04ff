// A TLS session after its handshake, as plain data.

/// The version of the record protocol.
package enum RecordVersion: UInt8, BitwiseCopyable, Hashable, Sendable, CaseIterable {
    /// TLS 1.2 (RFC 5246).
    case tls12 = 2
    /// TLS 1.3 (RFC 8446).
    case tls13 = 3
}

/// What both directions share, fixed by the handshake.
package struct RecordParameters: BitwiseCopyable, Hashable, Sendable {
    package var version: RecordVersion
    package var suite: RecordSuite
    /// Whether we are the server: a client is sent session tickets after the handshake, a server never.
    package var isServer: Bool
    /// Most plaintext bytes of a record, in both directions: 16384, or what the client negotiated (RFC 6066, 4).
    package var maximumFragment: UInt16

    /// Parameters as the handshake set them.
    package init(version: RecordVersion, suite: RecordSuite, isServer: Bool, maximumFragment: UInt16 = 16_384) {
        self.version = version
        self.suite = suite
        self.isServer = isServer
        self.maximumFragment = maximumFragment
    }
}

/// What has to be remembered between two records that are read, besides keys and number: 11 bytes, for every idle session has four.
package struct RecordNotes: BitwiseCopyable {
    /// From the lowest bit on: ``skipping``, ``pieceCount``, ``warnings``, ``isClosed``.
    private var bits: UInt32 = 0
    /// A handshake message that arrived in pieces; only its first bytes matter (a KeyUpdate has five).
    var pieces = InlineArray<5, UInt8>(repeating: 0)
    /// Records without content in a row.
    var emptyRecords: UInt8 = 0
    /// KeyUpdates since application data last came.
    var updates: UInt8 = 0

    private func read(_ place: UInt32, _ width: UInt32) -> UInt32 { bits >> place & (1 << width - 1) }
    private mutating func write(_ value: UInt32, _ place: UInt32, _ width: UInt32) {
        precondition(value >> width == 0, "a note that is too large")
        bits = bits & ~((1 << width - 1) << place) | value << place
    }

    /// Bytes of a session ticket that are still to be skipped (client); the length of a message has 24 bits (RFC 8446, 4).
    var skipping: UInt32 {
        get { read(0, 24) }
        set { write(newValue, 0, 24) }
    }
    /// How many of ``pieces`` are there.
    var pieceCount: UInt8 {
        get { UInt8(read(24, 3)) }
        set { write(UInt32(newValue), 24, 3) }
    }
    /// Warning alerts in a row: at most one more than ``RecordLayer/maximumWarnings``.
    var warnings: UInt8 {
        get { UInt8(read(27, 3)) }
        set { write(UInt32(newValue), 27, 3) }
    }
    /// The other side has closed its direction.
    package var isClosed: Bool {
        get { read(30, 1) == 1 }
        set { write(newValue ? 1 : 0, 30, 1) }
    }

    /// Nothing was read yet.
    package init() {}
}

/// The reading direction: keys, and what has to be remembered between two records.
package struct RecordReading: BitwiseCopyable {
    package var keys: RecordKeys
    package var notes: RecordNotes
    /// The other side has closed its direction.
    package var isClosed: Bool { notes.isClosed }

    /// A direction that begins with these keys, or goes on with them.
    package init(keys: RecordKeys, notes: RecordNotes = RecordNotes()) {
        self.keys = keys
        self.notes = notes
    }
}
