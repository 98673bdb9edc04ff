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
    /// Most plaintext bytes of a record we write: 16384, or what the client negotiated (RFC 6066, 4).
    package var maximumFragment: UInt16

    /// Parameters as the handshake set them.
    package init(version: RecordVersion, suite: RecordSuite, isServer: Bool, maximumFragment: UInt16 = 16_384) {
        self.version = version
        self.suite = suite
        self.isServer = isServer
        self.maximumFragment = maximumFragment
    }
}

/// What has to be remembered between two records that are read, besides keys and number.
package struct RecordNotes: BitwiseCopyable {
    /// Bytes of a session ticket that are still to be skipped (client).
    var skipping: UInt32 = 0
    /// A handshake message that arrived in pieces; only its first bytes matter (a KeyUpdate has five).
    var pieces = InlineArray<5, UInt8>(repeating: 0)
    var pieceCount: UInt8 = 0
    /// Records without content in a row.
    var emptyRecords: UInt8 = 0
    /// Warning alerts in a row.
    var warnings: UInt8 = 0
    /// KeyUpdates since application data last came.
    var updates: UInt8 = 0
    /// The other side has closed its direction.
    package var isClosed = false

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
