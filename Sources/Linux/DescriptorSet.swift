// Numbers of descriptors, and the end of all others.

import CLinux

/// A set of descriptors' numbers, a bit each.
package struct DescriptorSet {
    /// Numbers from here on are not believed: the kernel gives out no such (`fs.nr_open`, by default 1,048,576).
    package static let limit: Int32 = 1 << 26

    private var bits: [UInt64] = []

    package init() {}

    /// Adds a number; one that none can have is left out.
    package mutating func insert(_ number: Int32) {
        guard number >= 0, number < Self.limit else { return }
        let word = Int(number) / 64
        if word >= bits.count { bits += repeatElement(0, count: max(word + 1 - bits.count, bits.count, 1024)) }
        bits[word] |= 1 << UInt64(number % 64)
    }

    /// Whether the number was added.
    package func contains(_ number: Int32) -> Bool {
        guard number >= 0, Int(number) / 64 < bits.count else { return false }
        return bits[Int(number) / 64] >> UInt64(number % 64) & 1 == 1
    }

    /// Closes every descriptor of this process that is not in the set. Nobody may open or close one at the same time.
    package func closeOthers() {
        // Each range between two that are kept is one call.
        var next = 0
        for (word, value) in bits.enumerated() where value != 0 {
            var rest = value
            while rest != 0 {
                let number = 64 * word + rest.trailingZeroBitCount
                if number > next { Self.close(from: next, through: number - 1) }
                next = number + 1
                rest &= rest - 1
            }
        }
        Self.close(from: next, through: Int(UInt32.max))
    }

    /// One call where the kernel has it (Linux 5.9) and nobody forbids it, otherwise one for each number that there can be.
    private static func close(from first: Int, through last: Int) {
        guard cl_close_range(UInt32(first), UInt32(last), 0) != 0 else { return }
        closeEach(from: first, through: last)
    }

    /// Closes numbers one by one, up to the highest that this process may have.
    package static func closeEach(from first: Int, through last: Int) {
        let most = (try? ResourceLimits.openFiles().hard).map { Int(clamping: $0) } ?? Int(limit)
        let end = min(last, most, Int(limit))
        guard first <= end else { return }
        for number in first...end { Descriptor.close(Int32(number)) }
    }
}
