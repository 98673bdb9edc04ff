// Huge pages under a stick table: the contents stay, and the kernel's refusals are borne.

import Linux
import Testing
import Wire

@testable import Proxy

@Suite("Huge pages under a stick table")
struct TablePagesTests {
    private static let size = 3 * HugePages.size

    private static func region() throws -> MemoryRegion {
        let file = try Memfd.create(name: "pages", size: size)
        let region = try Memfd.map(file.number, alignment: HugePages.size)
        for offset in stride(from: 0, to: size, by: 8) { region.store(UInt64(offset) &* 0x9E37_79B9, at: offset) }
        return region
    }

    @Test("are made where enough is in use, one at a time, and change no byte")
    func gathering() throws {
        let region = try Self.region()
        #expect(HugePages.canGather(region))
        var pages = TablePages(region, shardBytes: Self.size / 2)
        let now = Instant(nanoseconds: 1)
        // Of the first range a little, of the second half a range: not worth a page.
        pages.gather([4096, HugePages.size / 2], at: now)
        #expect(pages.gathered == 0 && pages.refused == 0)
        var later = now
        for attempt in 1...3 {
            pages.gather([Self.size / 2, Self.size / 2], at: later)
            // A kernel without them, or without one now, says so each time it is asked.
            if pages.refused == 0 { #expect(pages.gathered == attempt) }
            // After a refusal, or a page that took long, nothing is tried at once.
            let before = (pages.gathered, pages.refused)
            if pages.refused > 0 { pages.gather([Self.size / 2, Self.size / 2], at: later) }
            #expect((pages.gathered, pages.refused) == before)
            later += .seconds(61)
        }
        #expect(pages.gathered + pages.refused > 0)
        let settled = pages.gathered
        if settled == 3 {
            pages.gather([Self.size / 2, Self.size / 2], at: later)
            #expect(pages.gathered == 3)
        }
        for offset in stride(from: 0, to: Self.size, by: 8) where region.load(offset) != UInt64(offset) &* 0x9E37_79B9 {
            Issue.record("the word at \(offset) changed")
            return
        }
    }

    @Test("are not asked for under memory that lies elsewhere")
    func unaligned() throws {
        let region = try Self.region().slice(4096, count: Self.size - 4096)
        #expect(!HugePages.canGather(region))
        var pages = TablePages(region, shardBytes: region.count)
        pages.gather([region.count], at: Instant(nanoseconds: 1))
        #expect(pages.gathered == 0 && pages.refused == 0)
    }
}
