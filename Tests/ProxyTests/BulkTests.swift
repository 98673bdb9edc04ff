// What makes a direction bulk, and what ends it.

import Testing

@testable import Proxy

/// When a direction is bulk.
@Suite struct BulkTests {
    private let chunk = 1 << 16

    /// The streak after calls that moved so many bytes each.
    private func streak(_ moved: Int..., from start: UInt8 = 0) -> UInt8 {
        moved.reduce(start) { Bulk.streak(after: $0, moved: $1, chunk: chunk) }
    }

    @Test func readsThatFillAChunkMakeItBulk() {
        #expect(streak(chunk) < Bulk.streak)
        #expect(streak(chunk, chunk) == Bulk.streak)
        #expect(streak(chunk, 1 << 20) < Bulk.streak, "only reads make it bulk")
    }

    @Test func anyShortReadBeforeBeginsAgain() {
        #expect(streak(chunk, chunk - 1) == 0)
        #expect(streak(chunk, 1, chunk) < Bulk.streak)
    }

    @Test func itStaysForTheEndOfAMessage() {
        #expect(streak(chunk, chunk, 128) >= Bulk.streak)
        #expect(streak(chunk, chunk, 128, 1 << 20) == Bulk.streak)
        #expect(streak(chunk, chunk, Bulk.least) == Bulk.streak)
    }

    @Test func smallMovesInARowEndIt() {
        var state = Bulk.streak
        for _ in 0..<Bulk.patience {
            state = streak(Bulk.least - 1, from: state)
            #expect(state >= Bulk.streak)
        }
        #expect(streak(Bulk.least - 1, from: state) == 0)
        // Large ones between them count from the beginning.
        #expect(streak(1, Bulk.least, from: state - 1) == Bulk.streak)
    }

    @Test(arguments: [UInt8(0), 1, 2, 6, 255]) func anyStateThatIsFoundIsLeft(_ found: UInt8) {
        var state = found
        for _ in 0...Int(Bulk.patience) { state = streak(1, from: state) }
        #expect(state == 0)
    }
}
