// Properties of the codec: what was written is read, what is read can be written, and nothing traps.

import Testing
import VRRP
import Wire

@Suite struct AdvertisementPropertyTests {
    /// An advertisement with its addresses on the wire.
    struct Sample {
        var advertisement: Advertisement
        var from: IPAddress
        var to: IPAddress

        init(using generator: inout SeededGenerator) {
            let version: Advertisement.Version = generator.chance(30) ? .two : .three
            let family: AddressFamily = version == .three && generator.chance(40) ? .ipv6 : .ipv4
            func address() -> IPAddress {
                family == .ipv4
                    ? .v4(IPv4Address(UInt32.random(in: 0...UInt32.max, using: &generator)))
                    : .v6(IPv6Address(high: generator.next(), low: generator.next()))
            }
            let form: Advertisement.ChecksumForm =
                switch (version, family) {
                case (.two, _): .messageOnly
                case (.three, .ipv6): .pseudoHeader
                case (.three, .ipv4): generator.chance(50) ? .messageOnly : .pseudoHeader
                }
            let units = Int.random(in: 1...(version == .two ? 255 : 4095), using: &generator)
            let count = generator.chance(10) ? 255 : Int.random(in: 1...8, using: &generator)
            advertisement = Advertisement(
                version: version, routerID: UInt8.random(in: 1...255, using: &generator),
                priority: UInt8.random(in: 0...254, using: &generator), interval: version.intervalUnit * units,
                addresses: (0..<count).map { _ in address() },
                authentication: version == .two && generator.chance(50) ? .password(generator.next()) : .none,
                checksumForm: form)
            from = address()
            to = address()
        }

        var bytes: [UInt8] { advertisement.write(from: from, to: to, checksum: advertisement.checksumForm) }
    }

    @Test func whatIsWrittenIsRead() throws {
        for seed in Seeds.upTo(2000) {
            var generator = SeededGenerator(seed: seed)
            let sample = Sample(using: &generator)
            let bytes = sample.bytes
            let read = try Advertisement(parsing: bytes.span, from: sample.from, to: sample.to, hopLimit: 255)
            #expect(read == sample.advertisement, "\(Seeds.replay(seed, "whatIsWrittenIsRead"))")
            #expect(
                read.write(from: sample.from, to: sample.to, checksum: read.checksumForm) == bytes,
                "\(Seeds.replay(seed, "whatIsWrittenIsRead"))")
        }
    }

    @Test func everyPrefixIsRefused() {
        for seed in Seeds.upTo(20) {
            var generator = SeededGenerator(seed: seed)
            let sample = Sample(using: &generator)
            let bytes = sample.bytes
            for length in 0..<bytes.count {
                let prefix = Array(bytes.prefix(length))
                #expect(throws: Discard.self, "\(Seeds.replay(seed, "everyPrefixIsRefused"))") {
                    try Advertisement(parsing: prefix.span, from: sample.from, to: sample.to, hopLimit: 255)
                }
            }
        }
    }

    /// Mutated messages are refused, or mean something that can be written and read again.
    @Test func mutationsNeverTrap() {
        var accepted = 0
        var refused: Set<Discard> = []
        for seed in Seeds.upTo(20_000) {
            var generator = SeededGenerator(seed: seed)
            let sample = Sample(using: &generator)
            var bytes = sample.bytes
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                let index = bytes.isEmpty ? 0 : Int.random(in: 0..<min(bytes.count, 12), using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0 where !bytes.isEmpty: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
                case 2: bytes += Array(repeating: UInt8.random(in: 0...1, using: &generator), count: 1 + index)
                default: if bytes.count >= 8, bytes[0] >> 4 != 2 { bytes = AdvertisementTests.resealed(bytes) }
                }
            }
            do {
                let hopLimit: UInt8? = generator.chance(5) ? 64 : 255
                let read = try Advertisement(parsing: bytes.span, from: sample.from, to: sample.to, hopLimit: hopLimit)
                accepted += 1
                if read.priority < 255 {
                    let again = read.write(from: sample.from, to: sample.to, checksum: read.checksumForm)
                    let reread = try Advertisement(parsing: again.span, from: sample.from, to: sample.to, hopLimit: 255)
                    #expect(reread == read, "\(Seeds.replay(seed, "mutationsNeverTrap"))")
                }
            } catch {
                refused.insert(error)
            }
        }
        // A single replayed seed shows one outcome; a whole run must have seen both kinds.
        if Seeds.upTo(2).count == 2 {
            #expect(accepted > 1000)
            #expect(refused.isSuperset(of: [.tooShort, .badChecksum, .truncated, .badHopLimit, .trailingBytes]))
        }
    }
}
