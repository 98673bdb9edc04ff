// What a stick table is given: its bounds, its times, its node and its hash key.

import Wire

extension StickTable {
    /// The secret key of a table's hash; one hash serves shard choice, index and digest.
    ///
    /// Both hosts use the same key (derived from the pair secret), so that they agree on buckets; clients must not know
    /// it, so that none can choose IDs that collide. A host without a peer draws one at random.
    package struct HashKey: Hashable, Sendable {
        package let k0: UInt64
        package let k1: UInt64
        private let hasher: SipHash

        package init(_ k0: UInt64, _ k1: UInt64) {
            self.k0 = k0
            self.k1 = k1
            hasher = SipHash(k0, k1)
        }

        /// The hash of a key; ``StickTable``'s operations take it beside the key.
        package func hash(_ key: Span<UInt8>) -> UInt64 { hasher.hash(key) }

        /// A value that tells two keys apart without telling either (docs/replication.md, 3).
        package var check: UInt64 {
            let probe: [UInt8] = Array("keycheck".utf8)
            return hash(probe.span)
        }
    }

    /// The settings of one shard.
    package struct Settings: Hashable, Sendable {
        /// Most live entries; at the limit the least-recently-used idle one makes room.
        package var entries: Int
        /// Most tombstones; at the limit the oldest is forgotten.
        package var tombstones: Int
        /// Blocks beyond one per record, for keys longer than ``StickTable/inlineKeyBytes``.
        package var longKeyBlocks: Int
        /// How many of the last changes a sender can ask for before it has to compare digests.
        package var ring: Int
        /// How long an entry lives after its client went.
        package var expire: Duration
        /// How long a delete is remembered.
        package var tombstoneExpire: Duration
        /// This node's identity in versions.
        package var node: UInt32
        package var hashKey: HashKey

        /// - Parameters:
        ///   - entries: 1 … 2^30 live entries in this shard.
        ///   - expire: more than zero.
        package init(
            entries: Int, expire: Duration, node: UInt32, hashKey: HashKey, tombstoneExpire: Duration = .seconds(3600)
        ) {
            precondition(entries >= 1 && entries <= 1 << 30, "entries of a shard out of range")
            precondition(expire > .zero && tombstoneExpire > .zero, "a table's times are positive")
            self.entries = entries
            tombstones = max(16, entries / 16)
            longKeyBlocks = StickTable.continuationBlocks(keyLength: StickTable.maximumKeyLength) + entries / 32
            ring = max(1024, entries / 8)
            self.expire = expire
            self.tombstoneExpire = tombstoneExpire
            self.node = node
            self.hashKey = hashKey
        }
    }

    /// The version of what is in a shard's memory: a program with another one cannot adopt it.
    package static var format: UInt32 { Header.formatValue }
    /// The longest key: an MQTT string's 16-bit length (MQTT 5.0, 1.5.4).
    package static let maximumKeyLength = 65_535
    /// The longest key that needs no continuation block, in bytes.
    package static let inlineKeyBytes = Field.keyBytes

    /// How many bytes of memory a shard with these settings needs.
    package static func bytes(for settings: Settings) -> Int { Layout(settings).bytes }

    /// The shard of `count` that a key with this hash belongs to.
    package static func shard(of hash: UInt64, count: Int) -> Int { Int(hash % UInt64(count)) }
}
