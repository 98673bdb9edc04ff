// The boundary tracker: any chunking, the same boundaries.

import MQTT
import Testing
import Wire

@Suite("Packet boundaries are known in any chunking")
struct PacketTrackerTests {
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func chunks(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (bytes, boundaries) = packetStream(&random, 40)
        var tracker = PacketTracker()
        var offset = 0
        while offset < bytes.count {
            let end = min(bytes.count, offset + Int.random(in: 1...400, using: &random))
            tracker.track(bytes.span.extracting(offset..<end))
            offset = end
            #expect(tracker.isAtBoundary == boundaries.contains(offset), "seed \(seed), offset \(offset)")
            #expect(tracker.packets == UInt64(boundaries.filter { $0 > 0 && $0 <= offset }.count))
        }
        #expect(tracker.isAtBoundary)
        #expect(tracker.packets == 40)
        var whole = PacketTracker()
        whole.track(bytes.span)
        #expect(whole == tracker)
    }

    @Test func `It stops at each boundary when asked to`() {
        var random = SeededGenerator(seed: 9)
        let (bytes, boundaries) = packetStream(&random, 12)
        var tracker = PacketTracker()
        var offset = 0
        var found = [0]
        while offset < bytes.count {
            let next = tracker.advance(bytes.span, from: offset)
            #expect(next > offset)
            #expect(tracker.isAtBoundary)
            #expect(tracker.missing == 0)
            found.append(next)
            offset = next
        }
        #expect(found == boundaries)
    }

    @Test func `What is missing and what came last`() {
        var tracker = PacketTracker()
        #expect(tracker.isAtBoundary)
        #expect(tracker.lastType == nil)
        tracker.track(hex("30").span)
        #expect(!tracker.isAtBoundary)
        #expect(tracker.missing == nil)
        #expect(tracker.lastType == .publish)
        tracker.track(hex("80").span)
        #expect(tracker.missing == nil)
        tracker.track(hex("01 0000").span)
        #expect(tracker.missing == 126)
        tracker.track([UInt8](repeating: 0, count: 126).span)
        #expect(tracker.isAtBoundary)
        tracker.track(hex("E000").span)
        #expect(tracker.lastType == .disconnect)
        #expect(tracker.packets == 2)
    }

    @Test func `A fifth length byte ends the sense of the stream`() {
        var tracker = PacketTracker()
        tracker.track(hex("C000 30 FFFFFF").span)
        #expect(!tracker.isMalformed)
        tracker.track(hex("FF").span)
        #expect(tracker.isMalformed)
        #expect(!tracker.isAtBoundary)
        #expect(tracker.missing == nil)
        let rest = hex("00 C000 C000")
        let end = tracker.advance(rest.span, from: 0)
        #expect(end == rest.count)
        #expect(tracker.packets == 1)
        #expect(!tracker.isAtBoundary)
    }
}
