// The boundary of packets: any chunking, the same boundaries.

import MQTT
import Testing
import Wire

@Suite("Packet boundaries are known in any chunking")
struct PacketBoundaryTests {
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func chunks(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (bytes, boundaries) = packetStream(&random, 40)
        // The stored offset begins anew at 2^40: packets of 2^28 bytes lead there.
        for start in [0, 1 << 40 - 4096, 1 << 41] as [UInt64] {
            var boundary = PacketBoundary()
            var far: UInt64 = 0
            while far < start {
                let body = min(start - far, 1 << 28) - 5
                let length = (0..<4).map { UInt8(body >> (7 * UInt64($0)) & 0x7F) | ($0 < 3 ? 0x80 : 0) }
                boundary.follow(([0x30] + length).span, at: far)
                far += 5 + body
            }
            var offset = 0
            while offset < bytes.count {
                let end = min(bytes.count, offset + Int.random(in: 1...400, using: &random))
                boundary.follow(bytes.span.extracting(offset..<end), at: start &+ UInt64(offset))
                // Once more, from an earlier byte: nothing changes.
                let copy = boundary
                let again = Int.random(in: offset...end, using: &random)
                boundary.follow(bytes.span.extracting(again..<end), at: start &+ UInt64(again))
                #expect(boundary == copy)
                offset = end
                let next = boundaries.first { $0 >= offset } ?? 0
                let missing = boundary.missing(at: start &+ UInt64(offset))
                #expect((missing == 0) == boundaries.contains(offset), "seed \(seed), offset \(offset)")
                #expect(missing.map { $0 <= next - offset } == true, "seed \(seed), offset \(offset)")
            }
            #expect(boundary.missing(at: start &+ UInt64(bytes.count)) == 0)
        }
    }

    @Test func `What is missing`() {
        var boundary = PacketBoundary()
        #expect(boundary.missing(at: 0) == 0)
        boundary.follow(hex("30").span, at: 0)
        #expect(boundary.missing(at: 1) == 1)
        boundary.follow(hex("80").span, at: 1)
        #expect(boundary.missing(at: 2) == 1)
        boundary.follow(hex("01 0000").span, at: 2)
        #expect(boundary.missing(at: 5) == 126)
        boundary.follow([UInt8](repeating: 0, count: 126).span, at: 5)
        #expect(boundary.missing(at: 131) == 0)
    }

    @Test func `The first end in a piece`() {
        var boundary = PacketBoundary()
        boundary.follow(hex("3082").span, at: 0)
        let rest = hex("00 0000") + hex("C000")
        #expect(boundary.firstEnd(in: rest.span, at: 2) == 3)
        #expect(boundary.firstEnd(in: rest.span.extracting(0..<2), at: 2) == nil)
        #expect(PacketBoundary().firstEnd(in: rest.span, at: 0) == 0)
        #expect(PacketBoundary().firstEnd(in: rest.span, at: 9) == nil)
    }

    @Test func `A fifth length byte, and bytes that were missed, end the sense of the stream`() {
        var boundary = PacketBoundary()
        boundary.follow(hex("C000 30 FFFFFF").span, at: 0)
        #expect(!boundary.isMalformed)
        boundary.follow(hex("FF").span, at: 6)
        #expect(boundary.isMalformed && boundary.missing(at: 7) == nil)
        boundary.follow(hex("C000").span, at: 7)
        #expect(boundary.isMalformed)
        var gap = PacketBoundary()
        gap.follow(hex("C000").span, at: 5)
        #expect(gap.isMalformed)
    }
}
