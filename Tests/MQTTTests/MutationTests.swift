// Mutated and large input: never a trap, always an answer, always in linear time.

import MQTT
import Testing
import Wire

@Suite("Hostile bytes")
struct MutationTests {
    /// Flips, inserts, removes, doubles or cuts, one to four times.
    private func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0...5, using: &random) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 1: bytes[index] = [0x00, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
            case 3: bytes.remove(at: index)
            case 4: bytes += bytes[index...]
            default: bytes.removeLast(bytes.count - index)
            }
        }
        return bytes
    }

    /// Whether `range` lies inside the first `length` bytes.
    private func fits(_ range: ByteRange?, _ length: Int) -> Bool { range.map { $0.end <= length } ?? true }

    @Test("mutated CONNECTs", arguments: [11, 12, 13, 14] as [UInt64])
    func connects(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let corpus = (validConnects + invalidConnects).map(\.bytes).filter { $0.count < 200 }
        for round in 0..<4000 {
            let bytes = mutate(corpus[Int.random(in: 0..<corpus.count, using: &random)], &random)
            switch sniff(bytes) {
            case .success(.needMore(let atLeast)): #expect(atLeast > bytes.count, "seed \(seed), round \(round)")
            case .success(.connect(let connect, let length)):
                #expect(length <= bytes.count && length >= 14)
                let ranges = [
                    connect.clientID, connect.properties, connect.username, connect.password, connect.will?.topic,
                    connect.will?.payload, connect.will?.properties, connect.authenticationMethod,
                    connect.authenticationData,
                ]
                #expect(ranges.allSatisfy { fits($0, length) }, "seed \(seed), round \(round)")
                // What was accepted is written back: the same packet, but for the length's form in 3.x.
                let copy = try ConnectDraft(connect, in: bytes.span).encode()
                let body = bytes[..<length].suffix(copy.count - (copy.count < 130 ? 2 : 3))
                #expect(copy.suffix(body.count) == body, "seed \(seed), round \(round)")
            case .failure(let refusal): _ = refusal.connack
            }
            if round % 8 == 0 { _ = sniffAnyChunking(bytes) }
        }
    }

    @Test("mutated packets", arguments: ProtocolVersion.allCases, [21, 22] as [UInt64])
    func packets(_ version: ProtocolVersion, _ seed: UInt64) throws {
        var maker = PacketMaker(random: SeededGenerator(seed: seed), version: version)
        var random = SeededGenerator(seed: seed ^ 0xFFFF)
        for round in 0..<1500 {
            let bytes = mutate(try maker.packet().encode(version: version), &random)
            _ = readConnack(bytes, version)
            var rest = bytes[...]
            reading: while !rest.isEmpty {
                switch read(Array(rest), version) {
                case .success(.packet(let packet, let length)):
                    #expect(length >= 2 && length <= rest.count, "seed \(seed), round \(round)")
                    let again = read(try packet.encode(version: version), version)
                    guard case .success(.packet(packet, _)) = again else {
                        Issue.record("seed \(seed), round \(round): \(packet) became \(again)")
                        return
                    }
                    rest = rest.dropFirst(max(length, 1))
                case .success(.needMore(let atLeast)):
                    #expect(atLeast > rest.count, "seed \(seed), round \(round)")
                    break reading
                case .failure: break reading
                }
            }
            var boundary = PacketBoundary()
            boundary.follow(bytes.span, at: 0)
            let missing = boundary.missing(at: UInt64(bytes.count))
            #expect((missing == nil) == boundary.isMalformed, "seed \(seed), round \(round)")
        }
    }

    /// Were it quadratic, this would be 2 × 10⁹ steps; the limit is there to end it then, not to measure.
    @Test("64 KiB byte by byte", .timeLimit(.minutes(2)))
    func drip() throws {
        var draft = ConnectDraft(version: .v311, clientID: hex("'p'"))
        draft.will = .init(topic: hex("'t'"), payload: [UInt8](repeating: 7, count: 65_000))
        let bytes = try draft.encode()
        let sniffer = ConnectSniffer()
        for count in 15..<bytes.count {
            let outcome = try sniffer.sniff(bytes.span.extracting(0..<count))
            guard outcome == .needMore(atLeast: bytes.count) else {
                Issue.record("\(outcome) at \(count)")
                return
            }
        }
        let connect = try #require(acceptedConnect(in: bytes))
        #expect(connect.will?.payload.count == 65_000)
    }

    @Test("5,000 user properties", .timeLimit(.minutes(2)))
    func userProperties() throws {
        var draft = ConnectDraft(version: .v5, clientID: hex("'p'"))
        for index in 0..<5000 { try draft.properties.append(user: Array("k\(index)".utf8), hex("'v'")) }
        let bytes = try draft.encode()
        let connect = try #require(acceptedConnect(in: bytes))
        #expect(connect.properties.count == draft.properties.bytes.count)
        #expect(ConnectDraft(connect, in: bytes.span) == draft)
        // One byte of damage in the last of them is found.
        var damaged = bytes
        damaged[connect.properties.end - 1] = 0
        #expect(sniff(damaged).mapError(\.violation) == .failure(.utf8Null))
    }
}
