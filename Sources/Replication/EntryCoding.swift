// Entries on the wire: written from a table's memory, merged from a frame's bytes.

import Balancing
import Wire

/// Encoding of one entry (docs/replication.md, 5).
enum EntryCoding {
    /// Bytes of an entry without its key.
    static let fixedBytes = 27

    /// Appends a record of a table; one whose time is over is left out.
    ///
    /// - Returns: false when the batch that began at `start` has no room left for it.
    static func append(
        _ block: UInt32, of table: borrowing StickTable, at now: Instant, batchFrom start: Int, count: inout Int,
        to out: inout [UInt8]
    ) -> Bool {
        let remaining = table.remaining(of: block, at: now)
        if remaining == .zero { return true }
        let length = table.keyLength(of: block)
        if count > 0, out.count - start + fixedBytes + length > LinkLimit.batch { return false }
        let value = table.value(of: block)
        out.append(bigEndian: UInt16(length))
        out.append(value.flags)
        out.append(bigEndian: value.server)
        out.append(bigEndian: value.version.counter)
        out.append(bigEndian: value.version.node)
        out.append(bigEndian: remaining.map { UInt32(clamping: max(1, $0.wholeMilliseconds)) } ?? .max)
        table.appendKey(of: block, to: &out)
        count += 1
        return true
    }

    /// What precedes the key.
    struct Head {
        var keyLength: Int
        var value: StickTableValue
        /// How long it still lives.
        var remaining: Duration
    }

    static func head(_ reader: inout ByteReader) throws(PeerRefusal) -> Head {
        let type = FrameType.entries
        let length = Int(try reader.field16(type))
        guard length > 0 else { throw .malformed(.emptyKey) }
        let flags = try reader.field8(type)
        let server = try reader.field64(type)
        let version = StickTableVersion(counter: try reader.field64(type), node: try reader.field32(type))
        let remaining = try reader.field32(type)
        return Head(
            keyLength: length, value: StickTableValue(version: version, flags: flags, server: server),
            remaining: remaining == .max ? .seconds(Int64.max / 1_000_000_000) : .milliseconds(Int64(remaining)))
    }
}
