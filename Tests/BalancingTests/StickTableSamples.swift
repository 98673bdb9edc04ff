// Stick tables of tests, spoken to with text keys.

import Balancing
import Wire

/// A shard in its own memory; a class, because expectations copy what they look at.
final class SampleTable {
    static let key = StickTable.HashKey(0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908)
    let region: MemoryRegion
    let settings: StickTable.Settings
    var table: StickTable

    init(entries: Int = 100, node: UInt32 = 1, expire: Duration = .seconds(60)) {
        var settings = StickTable.Settings(entries: entries, expire: expire, node: node, hashKey: SampleTable.key)
        settings.ring = max(8, entries)
        self.settings = settings
        region = MemoryRegion.allocate(count: StickTable.bytes(for: settings))
        table = StickTable(creating: region, settings: settings, at: .zero)
    }

    func learn(_ key: String, _ server: UInt64, at now: Instant = .zero) -> StickTable.Outcome {
        learn(Array(key.utf8), server, at: now)
    }

    func learn(_ key: [UInt8], _ server: UInt64, at now: Instant = .zero) -> StickTable.Outcome {
        let span = key.span
        return table.learn(span, hash: SampleTable.key.hash(span), server: server, at: now)
    }

    func connect(_ key: String, _ server: UInt64 = 1, at now: Instant = .zero) -> StickTable.Outcome {
        let bytes = Array(key.utf8)
        let span = bytes.span
        return table.connect(span, hash: SampleTable.key.hash(span), server: server, at: now)
    }

    func disconnect(_ key: String, at now: Instant = .zero) -> Bool {
        let bytes = Array(key.utf8)
        let span = bytes.span
        return table.disconnect(span, hash: SampleTable.key.hash(span), at: now)
    }

    func delete(_ key: String, at now: Instant = .zero) -> Bool {
        let bytes = Array(key.utf8)
        let span = bytes.span
        return table.delete(span, hash: SampleTable.key.hash(span), at: now)
    }

    func lookup(_ key: String, at now: Instant = .zero) -> StickTableEntry? {
        lookup(Array(key.utf8), at: now)
    }

    func lookup(_ key: [UInt8], at now: Instant = .zero) -> StickTableEntry? {
        let span = key.span
        return table.lookup(span, hash: SampleTable.key.hash(span), at: now)
    }

    func merge(
        _ key: String, _ value: StickTableValue, remaining: Duration = .seconds(60), at now: Instant = .zero
    ) -> StickTable.MergeOutcome {
        let bytes = Array(key.utf8)
        let span = bytes.span
        return table.merge(span, hash: SampleTable.key.hash(span), value, remaining: remaining, at: now)
    }

    /// Every record, tombstones included, as text.
    func contents() -> [String: StickTableValue] {
        var contents: [String: StickTableValue] = [:]
        _ = table.records(from: 0, examining: .max / 2) { block in
            var key: [UInt8] = []
            table.appendKey(of: block, to: &key)
            contents[String(decoding: key, as: UTF8.self)] = table.value(of: block)
            return true
        }
        return contents
    }
}

/// A value as a peer could send it.
func remote(
    _ counter: UInt64, node: UInt32 = 2, server: UInt64 = 1, tombstone: Bool = false, present: Bool = false
) -> StickTableValue {
    StickTableValue(
        version: StickTableVersion(counter: counter, node: node), isTombstone: tombstone, isPresent: present,
        server: server)
}

/// `seconds` after the beginning of time.
func at(_ seconds: Int64) -> Instant { Instant.zero + .seconds(seconds) }
