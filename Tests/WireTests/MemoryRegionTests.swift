// Comparing bytes with memory: eight at a time, and never one too few or too many.

import Testing
import Wire

@Suite("A memory region")
struct MemoryRegionTests {
    @Test("bytes are equal only when all of them are, whatever their number and place")
    func equals() {
        let region = MemoryRegion.allocate(count: 64)
        for offset in [0, 3] {
            for length in 0...40 {
                let bytes = (0..<length).map { UInt8($0 + 1) }
                region.write(bytes.span, at: offset)
                // What stands behind does not count.
                region.store(UInt8(0xAA), at: offset + length)
                let isEqual = region.equals(bytes.span, at: offset)
                #expect(isEqual)
                for place in 0..<length {
                    var other = bytes
                    other[place] ^= 0x80
                    let isMistaken = region.equals(other.span, at: offset)
                    #expect(!isMistaken, "byte \(place) of \(length) at \(offset)")
                }
            }
        }
    }
}
