// What replication reads from a stick table: the last changes, and batches of records.

package import Wire

extension StickTable {
    /// Where a walk over changes ended.
    package enum Changes: Hashable, Sendable {
        /// Everything up to this update number was visited or is superseded.
        case upTo(UInt64)
        /// The ring has turned past the cursor: digests have to be compared.
        case overrun
    }

    /// Gives a record that was just written the next update number.
    mutating func noteChange(_ block: UInt32) {
        lastUpdate += 1
        store(UInt32(truncatingIfNeeded: lastUpdate), block, Field.update)
        region.store(block, at: layout.ringOffset + Int(lastUpdate % UInt64(layout.ring)) * 4)
    }

    /// Visits the records changed after update number `cursor`, oldest first; superseded changes are passed over.
    ///
    /// - Parameters:
    ///   - limit: at most so many ring slots are examined, at least 1.
    ///   - body: is given the record's handle; false stops before it.
    package func changes(after cursor: UInt64, examining limit: Int, _ body: (UInt32) -> Bool) -> Changes {
        guard cursor < lastUpdate else { return .upTo(lastUpdate) }
        guard lastUpdate - cursor <= UInt64(layout.ring) else { return .overrun }
        let end = min(lastUpdate, cursor + UInt64(max(1, limit)))
        var number = cursor + 1
        while number <= end {
            let block: UInt32 = region.load(layout.ringOffset + Int(number % UInt64(layout.ring)) * 4)
            if isHead(block), load(block, Field.update, as: UInt32.self) == UInt32(truncatingIfNeeded: number),
                !body(block)
            {
                return .upTo(number - 1)
            }
            number += 1
        }
        return .upTo(end)
    }

    /// Visits records from a position on, in the order of memory.
    ///
    /// - Parameters:
    ///   - position: 0 to begin, then what the last call returned.
    ///   - limit: at most so many blocks are examined.
    ///   - body: is given the record's handle; false stops before it.
    /// - Returns: where to go on; nil at the end. Records made meanwhile may be missed.
    package func records(from position: Int, examining limit: Int, _ body: (UInt32) -> Bool) -> Int? {
        var block = max(0, position)
        let end = min(highWater, block + max(1, limit))
        while block < end {
            if isHead(UInt32(block)), !body(UInt32(block)) { return block }
            block += 1
        }
        return block < highWater ? block : nil
    }

    /// The hash of a record's key.
    package func keyHash(of block: UInt32) -> UInt64 { load(block, Field.hash) }

    /// The length of a record's key in bytes.
    package func keyLength(of block: UInt32) -> Int { keyLength(block) }

    /// The replicated part of a record.
    package func value(of block: UInt32) -> StickTableValue { value(block) }

    /// How long a record still lives as the peer should count it: zero when it is over, nil while it is held.
    package func remaining(of block: UInt32, at now: Instant) -> Duration? {
        let deadline = deadline(block)
        if deadline == .distantFuture { return nil }
        return max(.zero, deadline - now)
    }

    /// A live entry with its key, for listings.
    package struct Listed: Hashable, Sendable {
        package var key: [UInt8]
        package var entry: StickTableEntry
    }

    /// Lists live entries in bounded batches: examines up to `limit` blocks from `position` on (0 to begin).
    ///
    /// - Returns: where to go on; nil at the end.
    package func list(from position: Int, examining limit: Int, at now: Instant, into listed: inout [Listed]) -> Int? {
        var found: [Listed] = []
        let next = records(from: position, examining: limit) { block in
            if value(block).isTombstone || isOver(block, at: now) { return true }
            var key: [UInt8] = []
            appendKey(of: block, to: &key)
            found.append(Listed(key: key, entry: entry(block)))
            return true
        }
        listed += found
        return next
    }
}
