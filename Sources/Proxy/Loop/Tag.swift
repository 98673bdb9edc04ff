// What an event of a loop's pollers belongs to.

/// What an event belongs to: 30 bits of generation, 31 bits of slot, one bit for the side; or a listener, the bell, or the set of these.
struct Tag {
    private let value: UInt64

    var rawValue: UInt64 { value }

    init(_ value: UInt64) { self.value = value }

    init(generation: UInt32, index: UInt32, isServer: Bool) {
        value = 1 << 63 | UInt64(generation & 0x3FFF_FFFF) << 32 | UInt64(index) << 1 | (isServer ? 1 : 0)
    }

    /// The mailbox's bell.
    static let bell: UInt64 = 1 << 62
    /// The set of listeners and the bell. It may be a former process's, for a moment: then nothing is found behind it.
    static let doors: UInt64 = 1 << 61

    var isSession: Bool { value >> 63 == 1 }
    var generation: UInt32 { UInt32(truncatingIfNeeded: value >> 32) & 0x3FFF_FFFF }
    var index: UInt32 { UInt32(truncatingIfNeeded: value >> 1) & 0x7FFF_FFFF }
    var isServer: Bool { value & 1 == 1 }
}
