// The process's table of descriptors.

import Glibc
import Linux
import Testing

@Suite("The table of descriptors")
struct DescriptorTests {
    /// `FDSize` of this process: descriptors that the kernel's table has room for; it never shrinks.
    private static func room() throws -> Int {
        let text = String(decoding: try File.read("/proc/self/status", limit: 65_536), as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("FDSize:") })
        return try #require(Int(line.dropFirst("FDSize:".count).filter(\.isNumber)))
    }

    @Test("is as large as it was asked to be, and no descriptor stays open for it")
    func reserve() throws {
        let count = Int(min(65_536, try ResourceLimits.openFiles().soft))
        try Descriptor.reserve(count)
        #expect(try Self.room() >= count)
        #expect(throws: (any Error).self) { try File.read("/proc/self/fd/\(count - 1)", limit: 1) }
    }

    @Test("is emptied number by number where the kernel cannot do it by ranges")
    func closing() throws {
        let file = try File.open(device: "/dev/null")
        let first = fcntl(file.number, F_DUPFD_CLOEXEC, 700)
        let second = fcntl(file.number, F_DUPFD_CLOEXEC, 710)
        let third = fcntl(file.number, F_DUPFD_CLOEXEC, 720)
        DescriptorSet.closeEach(from: Int(first), through: Int(second))
        for (number, isOpen) in [(first, false), (second, false), (third, true)] {
            #expect(((try? Descriptor.setCloseOnExec(number, true)) != nil) == isOpen)
        }
        // Beyond every number there can be.
        DescriptorSet.closeEach(from: Int(UInt32.max) - 1, through: Int(UInt32.max))
        Descriptor.close(third)
    }

    @Test("cannot be larger than the limit of open files")
    func beyond() throws {
        let limit = Int(try ResourceLimits.openFiles().soft)
        let error = #expect(throws: Errno.self) { try Descriptor.reserve(limit + 1) }
        #expect(error?.code == Errno.invalid)
    }
}
