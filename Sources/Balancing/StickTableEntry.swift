// What a stick table knows about one client.

package import Wire

/// The version of a table entry: a Lamport counter and the node that wrote it.
package struct StickTableVersion: Comparable, Hashable, Sendable {
    /// Greater than any counter the writer had seen.
    package var counter: UInt64
    package var node: UInt32

    package init(counter: UInt64, node: UInt32) {
        self.counter = counter
        self.node = node
    }

    package static func < (a: StickTableVersion, b: StickTableVersion) -> Bool {
        (a.counter, a.node) < (b.counter, b.node)
    }
}

/// The replicated part of an entry: what two hosts agree on (docs/replication.md, 5).
package struct StickTableValue: Comparable, Hashable, Sendable {
    package var version: StickTableVersion
    /// The entry was deleted; it is only remembered so that the delete wins.
    package var isTombstone: Bool
    /// The writer of this version had the client connected.
    package var isPresent: Bool
    /// Stable hash of the server's name.
    package var server: UInt64

    package init(version: StickTableVersion, isTombstone: Bool, isPresent: Bool, server: UInt64) {
        self.version = version
        self.isTombstone = isTombstone
        self.isPresent = isPresent
        self.server = server
    }

    /// The total order in which the largest value of a key wins everywhere.
    package static func < (a: StickTableValue, b: StickTableValue) -> Bool {
        if a.version != b.version { return a.version < b.version }
        if a.isTombstone != b.isTombstone { return b.isTombstone }
        if a.isPresent != b.isPresent { return b.isPresent }
        return a.server < b.server
    }

    /// Flags as in memory and on the wire: 1 tombstone, 2 present.
    package var flags: UInt8 { (isTombstone ? 1 : 0) | (isPresent ? 2 : 0) }

    package init(version: StickTableVersion, flags: UInt8, server: UInt64) {
        self.init(version: version, isTombstone: flags & 1 != 0, isPresent: flags & 2 != 0, server: server)
    }
}

/// One client's entry as a reader sees it.
package struct StickTableEntry: Hashable, Sendable {
    package var value: StickTableValue
    /// Sessions of this client on this host.
    package var connected: Int
    /// The client is connected at the other host, as far as this one knows.
    package var isHeldByPeer: Bool
    /// When it expires; `distantFuture` while somebody holds it.
    package var expires: Instant

    package var server: UInt64 { value.server }

    package init(value: StickTableValue, connected: Int, isHeldByPeer: Bool, expires: Instant) {
        self.value = value
        self.connected = connected
        self.isHeldByPeer = isHeldByPeer
        self.expires = expires
    }
}

/// What happened to a table since this process has it.
package struct StickTableCounters: Hashable, Sendable {
    /// New keys, learned here or merged.
    package var inserted: UInt64 = 0
    /// Idle entries that made room for others.
    package var evicted: UInt64 = 0
    /// Entries and tombstones whose time was over.
    package var expired: UInt64 = 0
    /// New keys refused because every entry's client is connected, or the key was not a key.
    package var refused: UInt64 = 0
    /// Remote entries refused because the table was full of newer ones.
    package var mergesRefused: UInt64 = 0
    /// Remote entries that won.
    package var merged: UInt64 = 0
    /// Remote entries that changed nothing.
    package var mergesIgnored: UInt64 = 0
    /// Versions written because a merge contradicted who is connected here.
    package var reasserted: UInt64 = 0
    /// Tombstones forgotten before their time because there were too many.
    package var tombstonesDropped: UInt64 = 0
    /// Records dropped on adoption because their writer died while writing them.
    package var torn: UInt64 = 0

    package init() {}
}
