// The numbers of processes that follow one another.

import Linux
import Testing
import Wire

@Suite("Generations of a row of processes")
struct HolderGenerationTests {
    @Test("no process has the number of another, also not of one that was never in charge; its place is never that of who is")
    func numbers() {
        let region = MemoryRegion.allocate(count: 4096)
        func begin() -> Holder { Holder(region: region, arguments: ["understudy", "balancer"], environment: []) }
        let first = begin()
        #expect(first.generation == 1)
        first.commit()
        // Two that die before they are in charge, and the one that follows after all.
        #expect(begin().generation == 2)
        #expect(begin().generation == 4)
        let next = begin()
        #expect(next.generation == 6)
        #expect(Holder.generationInCharge(region) == 1)
        next.commit()
        #expect(Holder.generationInCharge(region) == 6)
        #expect(!first.charge.isHeld && next.charge.isHeld)
        #expect(begin().generation == 7)
    }
}
