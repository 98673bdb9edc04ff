// The clients that balancers died of.

import Wire

/// Client IDs in whose hands a balancer died before their sessions were established, as hashes: whoever does it twice is refused
/// from then on.
///
/// In the memory that outlives the process. The main thread writes before there are loops; loops read.
struct PoisonList: Sendable {
    enum Bounds {
        /// IDs that are remembered; the one that did it longest ago makes room.
        static let entries = 32
        /// Deaths in one client's hand from which on it is refused.
        static let deaths: UInt32 = 2
        /// How long that is remembered after the last of them, in nanoseconds: a client may have been mended.
        static let memory: Int64 = 600_000_000_000
    }

    /// Bytes: a count of entries ever used, then for each its hash, its deaths, and the time of the last.
    static let size = 8 + Bounds.entries * entrySize
    private static let entrySize = 24
    private static let key: (UInt64, UInt64) = (0x7573_7064_706F_6973, 0x6F6E_6C69_7374_0001)

    /// ``size`` bytes; zero at first.
    let region: MemoryRegion
    /// The number of the last death.
    let death: UInt32

    private static func hash(_ id: [UInt8]) -> UInt64 { SipHash(key.0, key.1).hash(id.span) }

    private var count: Int { min(Int(region.load(0, as: UInt32.self)), Bounds.entries) }
    private func place(_ entry: Int) -> Int { 8 + entry * Self.entrySize }

    /// Counts a death in this client's hand.
    ///
    /// - Parameter now: nanoseconds of the monotonic clock, which goes on from process to process.
    func blame(_ id: [UInt8], at now: Int64) {
        let hash = Self.hash(id)
        let known = (0..<count).first { region.load(place($0), as: UInt64.self) == hash }
        let oldest = (0..<count).min { region.load(place($0) + 16, as: Int64.self) < region.load(place($1) + 16, as: Int64.self) }
        let entry = known ?? (count < Bounds.entries ? count : oldest ?? 0)
        var deaths: UInt32 = 0
        if known != nil, now - region.load(place(entry) + 16, as: Int64.self) < Bounds.memory {
            deaths = region.load(place(entry) + 8)
        }
        region.store(hash, at: place(entry))
        region.store(deaths &+ 1, at: place(entry) + 8)
        region.store(now, at: place(entry) + 16)
        if entry == count { region.store(UInt32(entry + 1), at: 0) }
    }

    /// Whether a client is to be refused. One load when nobody was ever blamed.
    @inline(__always)
    func refuses(_ id: @autoclosure () -> [UInt8], at now: Int64) -> Bool { count > 0 && isGuilty(id(), at: now) }

    private func isGuilty(_ id: [UInt8], at now: Int64) -> Bool {
        let hash = Self.hash(id)
        return (0..<count).contains { entry in
            region.load(place(entry), as: UInt64.self) == hash && region.load(place(entry) + 8, as: UInt32.self) >= Bounds.deaths
                && now - region.load(place(entry) + 16, as: Int64.self) < Bounds.memory
        }
    }

    /// Clients that are refused now.
    func refused(at now: Int64) -> Int {
        (0..<count).count { entry in
            region.load(place(entry) + 8, as: UInt32.self) >= Bounds.deaths
                && now - region.load(place(entry) + 16, as: Int64.self) < Bounds.memory
        }
    }
}
