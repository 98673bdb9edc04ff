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

    @Test("Whole packets are followed in one step, and only they")
    func wholes() {
        var random = SeededGenerator(seed: 5)
        var (boundary, other) = (PacketBoundary(), PacketBoundary())
        var (offset, steps) = (UInt64(1 << 40 - 300), 0)
        let skipped = [UInt8](hex("30 FFFFFF7F"))
        // To the place where the stored offset begins anew.
        var far: UInt64 = 0
        while far + 5 + 1 << 28 < offset {
            boundary.follow(skipped.span, at: far)
            far += 5 + (1 << 28 - 1)
        }
        other = boundary
        offset = far + 0
        for _ in 0..<2000 {
            let length = Int.random(in: 0...140, using: &random)
            let head: [UInt8] = length < 128 ? [0x30, UInt8(length)] : [0x30, UInt8(length & 0x7F | 0x80), 1]
            let packet = head + (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            let cut = Bool.random(using: &random) ? packet.count : Int.random(in: 1...packet.count, using: &random)
            for piece in [packet[..<cut], packet[cut...]] where !piece.isEmpty {
                let bytes = Array(piece)
                let before = boundary
                let isWhole = boundary.followWhole(count: bytes.count, first: bytes[0], second: bytes.count > 1 ? bytes[1] : 0x7F, at: offset)
                if isWhole { steps += 1 } else { #expect(boundary == before) }
                #expect(isWhole == (length < 128 && bytes.count == packet.count))
                boundary.follow(bytes.span, at: offset)
                other.follow(bytes.span, at: offset)
                #expect(boundary == other)
                offset += UInt64(bytes.count)
            }
        }
        #expect(steps > 500)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `It stops before a DISCONNECT, in any chunking, until it is led over it`(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (before, _) = packetStream(&random, 20)
        // None of these is one.
        var calm = PacketBoundary()
        calm.follow(before.span, at: 0)
        let offsets = starts(before)
        let first = offsets.first { before[$0] >> 4 == 14 } ?? before.count
        let bytes = Array(before[..<first]) + hex("E0 02 9C 00") + hex("D000")
        var boundary = PacketBoundary()
        var offset = 0
        while offset < bytes.count, boundary.unfollowed(to: UInt64(offset)) == 0 {
            let end = min(bytes.count, offset + Int.random(in: 1...400, using: &random))
            boundary.follow(bytes.span.extracting(offset..<end), at: UInt64(offset), stopping: .disconnect)
            // A successor follows the same again.
            let copy = boundary
            boundary.follow(bytes.span.extracting(offset..<end), at: UInt64(offset), stopping: .disconnect)
            #expect(boundary == copy)
            offset = end
        }
        #expect(boundary.unfollowed(to: UInt64(offset)) == offset - first)
        #expect(boundary.missing(at: UInt64(first)) == 0)
        boundary.follow(bytes.span.extracting(first..<first + 4), at: UInt64(first))
        #expect(boundary.unfollowed(to: UInt64(first + 4)) == 0 && boundary.missing(at: UInt64(first + 4)) == 0)
        boundary.follow(bytes.span, at: 0, stopping: .disconnect)
        #expect(boundary.missing(at: UInt64(bytes.count)) == 0 && boundary.unfollowed(to: UInt64(bytes.count)) == 0)
    }

    /// Where the packets of a stream begin.
    private func starts(_ bytes: [UInt8]) -> [Int] {
        var boundary = PacketBoundary()
        var found: [Int] = []
        for offset in bytes.indices {
            if boundary.missing(at: UInt64(offset)) == 0 { found.append(offset) }
            boundary.follow(bytes.span.extracting(offset..<offset + 1), at: UInt64(offset))
        }
        return found
    }

    @Test func `As long as a CONNACK is awaited it stops before everything but AUTH`() {
        for first in UInt8.min...UInt8.max {
            var boundary = PacketBoundary()
            boundary.follow(hex("F000 F0020000").span, at: 0, stopping: [.disconnect, .allButAuth])
            #expect(boundary.unfollowed(to: 6) == 0)
            boundary.follow([first, 0].span, at: 6, stopping: [.disconnect, .allButAuth])
            #expect(boundary.unfollowed(to: 8) == (first >> 4 == 15 ? 0 : 2))
            var usual = PacketBoundary()
            usual.follow([first, 0].span, at: 0, stopping: .disconnect)
            #expect(usual.unfollowed(to: 2) == (first >> 4 == 14 ? 2 : 0))
            var whole = PacketBoundary()
            #expect(whole.followWhole(count: 2, first: first, second: 0, at: 0) == (first < 0xE0))
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
