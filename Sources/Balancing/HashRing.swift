// The ring on which client IDs and servers meet: NGINX's ketama.

import Wire

/// A consistent-hash ring that places servers and keys as NGINX's `hash KEY consistent` does.
///
/// A server of weight *w* has 160 × *w* points; point *i* is `crc32(host ‖ 0x00 ‖ port ‖ point i-1, little-endian)`,
/// the first with 0 for its predecessor (ngx_stream_upstream_hash_module). A key belongs to the first point at or after
/// `crc32(key)`, wrapping around.
///
/// **Two hosts agree.** A point depends only on the text of one server, and where two servers share a point the one
/// whose host, port and name sort first has it. Neither the order of the file nor the history of the process moves
/// anything, so two balancers with the same servers and weights place every key alike without exchanging a byte.
struct HashRing: Sendable {
    /// One server on the ring.
    struct Member: Hashable, Sendable {
        /// Where the caller keeps the server; not part of the hash.
        var index: Int
        var name: String
        /// The host as written in the configuration; an IPv6 address in brackets.
        var host: String
        var port: UInt16
        /// 1...256.
        var weight: Int
    }

    /// Points for each unit of weight, as long as the ring keeps within ``maximumPoints``.
    static let pointsPerWeight = 160
    /// Most points of a ring (8 MiB). Beyond it, which takes weights adding up to more than 6,553, every server
    /// gets the same smaller number of points for a unit of weight and the ring is no longer NGINX's.
    static let maximumPoints = 1 << 20

    /// Ascending: hash in the upper half, server index in the lower.
    private let points: [UInt64]

    init(_ members: [Member], maximumPoints: Int = HashRing.maximumPoints) {
        let totalWeight = members.reduce(0) { $0 + $1.weight }
        let density = min(HashRing.pointsPerWeight, maximumPoints / max(1, totalWeight))
        precondition(density > 0, "more weight than a ring has points")
        var points: [UInt64] = []
        points.reserveCapacity(density * totalWeight)
        let ordered = members.sorted { ($0.host, $0.port, $0.name) < ($1.host, $1.port, $1.name) }
        for (rank, member) in ordered.enumerated() {
            var base = CRC32()
            for byte in member.host.utf8 { base.update(byte) }
            base.update(0)
            for byte in String(member.port).utf8 { base.update(byte) }
            var previous: UInt32 = 0
            for _ in 0..<(density * member.weight) {
                var crc = base
                for shift: UInt32 in [0, 8, 16, 24] { crc.update(UInt8(truncatingIfNeeded: previous >> shift)) }
                previous = crc.value
                points.append(UInt64(previous) << 32 | UInt64(rank))
            }
        }
        points.sort()
        var unique: [UInt64] = []
        unique.reserveCapacity(points.count)
        for point in points where unique.last.map({ $0 >> 32 != point >> 32 }) ?? true {
            let member = ordered[Int(UInt32(truncatingIfNeeded: point))]
            unique.append((point >> 32) << 32 | UInt64(member.index))
        }
        self.points = unique
    }

    /// Points on the ring.
    var count: Int { points.count }

    /// Position of the point that owns the key with this CRC-32; 0 on an empty ring.
    func position(of key: UInt32) -> Int {
        let hash = UInt64(key) << 32
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if points[middle] < hash { low = middle + 1 } else { high = middle }
        }
        return low == points.count ? 0 : low
    }

    /// The server at a position; `position` is below ``count``.
    func server(at position: Int) -> Int { Int(UInt32(truncatingIfNeeded: points[position])) }

    /// The position after `position`, around the end.
    func position(after position: Int) -> Int { position + 1 == points.count ? 0 : position + 1 }
}
