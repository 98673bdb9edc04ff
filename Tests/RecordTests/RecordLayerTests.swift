// The record layer against itself and against everything that is not a good record.

import TLS
import Testing

@Suite("A session's records")
struct RecordLayerTests {
    /// Versions and suites in all combinations.
    static let kinds = RecordVersion.allCases.flatMap { version in RecordSuite.allCases.map { (version, $0) } }

    private static func pair(_ version: RecordVersion, _ suite: RecordSuite) throws -> (client: Side, server: Side) {
        try version == .tls13 ? Side.pair(suite) : Side.legacyPair(suite)
    }

    private static func bytes(_ count: Int, _ seed: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 31) }
    }

    @Test("come out as they went in, both ways, of every length", arguments: kinds)
    func roundTrip(version: RecordVersion, suite: RecordSuite) throws {
        var (client, server) = try Self.pair(version, suite)
        for (round, count) in [0, 1, 2, 15, 16, 17, 255, 1024, 4096, 16_383, 16_384].enumerated() {
            let up = Self.bytes(count, round)
            let record = try client.seal(up)
            #expect(record.count == count + RecordLayer.overhead(client.parameters))
            #expect(try server.open(record).1 == up)
            #expect(try client.open(server.seal(Self.bytes(count))).1 == Self.bytes(count))
        }
    }

    @Test("come out the same when contexts are kept for their owner", arguments: kinds)
    func keptContexts(version: RecordVersion, suite: RecordSuite) throws {
        var (client, server) = try Self.pair(version, suite)
        var (keptClient, keptServer) = try Self.pair(version, suite)
        keptClient.owner = 1
        keptServer.owner = 2
        for round in 0..<20 {
            let plaintext = Self.bytes(round * 7)
            let record = try client.seal(plaintext)
            #expect(try keptClient.seal(plaintext) == record)
            #expect(try server.open(record).1 == plaintext)
            #expect(try keptServer.open(record).1 == plaintext)
            guard version == .tls13, round % 5 == 4 else { continue }
            let update = try client.sealKeyUpdate(isRequesting: false)
            #expect(try keptClient.sealKeyUpdate(isRequesting: false) == update)
            _ = try server.open(update)
            _ = try keptServer.open(update)
        }
    }

    @Test("get a context of their own while their session is busy, and are the same with it", arguments: kinds)
    func busySessions(version: RecordVersion, suite: RecordSuite) throws {
        let (client, server) = try Self.pair(version, suite)
        // More sessions than there are contexts, each with records of its own, all at the same time: the ten too many dispute the
        // places of ten others, and none of these twenty gets one.
        let cipher = client.cipher
        let sessions = RecordCipher.contexts + 10
        let own = 2 * (RecordCipher.contexts - 10)
        var (clients, servers) = (Array(repeating: client, count: sessions), Array(repeating: server, count: sessions))
        for index in 0..<sessions {
            clients[index].owner = UInt64(index + 1) << 1
            servers[index].owner = UInt64(index + 1) << 1
            servers[index] = servers[index].sharing(cipher)
        }
        for round in 0..<Int(RecordCipher.busyRecords) + 2 {
            #expect(cipher.ownContexts == (round < Int(RecordCipher.busyRecords) ? 0 : own), "round \(round)")
            var expected: [UInt8]?
            for index in 0..<sessions {
                let record = try clients[index].seal(Self.bytes(20, round))
                // All have the same keys here, and so the same records, whatever context they were sealed with.
                if let expected { #expect(record == expected) }
                expected = record
                #expect(try servers[index].open(record).1 == Self.bytes(20, round))
            }
        }
        cipher.forget(clients[20].owner, suite)
        #expect(cipher.ownContexts == own - 2 && !cipher.holds(clients[20].owner, suite))
        // One goes on, the others rest.
        for second in 1...30 {
            cipher.rest(at: Int64(second) * 1_000_000_000)
            #expect(try servers[30].open(clients[30].seal([1])).1 == [1])
        }
        #expect(cipher.ownContexts == 2 && cipher.holds(clients[30].owner, suite))
    }

    @Test("sealed again from the same state are the same bytes", arguments: kinds)
    func deterministic(version: RecordVersion, suite: RecordSuite) throws {
        var (client, _) = try Self.pair(version, suite)
        var again = client
        #expect(try client.seal(Self.bytes(300)) == again.seal(Self.bytes(300)))
    }

    @Test("are refused after any change, twice, and out of order", arguments: kinds)
    func forged(version: RecordVersion, suite: RecordSuite) throws {
        var (client, server) = try Self.pair(version, suite)
        let first = try client.seal(Self.bytes(40))
        let second = try client.seal(Self.bytes(41))
        for index in 0..<first.count {
            for bit in 0..<8 {
                var record = first
                record[index] ^= 1 << UInt8(bit)
                var victim = server
                // A header of another length does not even fit; anything else is no record of this session.
                guard (3...4).contains(index) == false else {
                    #expect(try RecordLayer.length(of: first.span, server.parameters) == first.count)
                    continue
                }
                // The version in the header is free to be ignored by whoever authenticates it.
                #expect(throws: RecordViolation.self, "byte \(index), bit \(bit)") { try victim.open(record) }
            }
        }
        #expect(throws: RecordViolation.badRecordMAC) {
            var victim = server
            _ = try victim.open(second)
        }
        #expect(try server.open(first).1 == Self.bytes(40))
        #expect(throws: RecordViolation.badRecordMAC) { try server.open(first) }
    }

    @Test("are refused before they are waited for when they are too long or too short", arguments: kinds)
    func lengths(version: RecordVersion, suite: RecordSuite) throws {
        let (client, _) = try Self.pair(version, suite)
        func length(_ type: UInt8, _ count: Int) throws -> Int? {
            try RecordLayer.length(
                of: [type, 3, 3, UInt8(count >> 8), UInt8(count & 255)].span, client.parameters)
        }
        let most = 16_384 + (version == .tls13 ? 256 : 2048)
        #expect(try length(23, most) == most + 5)
        #expect(throws: RecordViolation.recordOverflow) { try length(23, most + 1) }
        #expect(throws: RecordViolation.badRecordMAC) { try length(23, 15) }
        #expect(throws: RecordViolation.unexpectedMessage) { try length(20, 1) }
        #expect(throws: RecordViolation.unexpectedMessage) { try length(0x47, 100) }
        #expect(try RecordLayer.length(of: [23, 3, 3, 0].span, client.parameters) == nil)
    }

    @Test("without content are taken thirty-two times in a row", arguments: kinds)
    func empty(version: RecordVersion, suite: RecordSuite) throws {
        var (client, server) = try Self.pair(version, suite)
        for _ in 0..<2 {
            for _ in 0..<RecordLayer.maximumEmptyRecords { #expect(try server.open(client.seal([])).0 == .data(0)) }
            #expect(try server.open(client.seal([1])).0 == .data(1))
        }
        for _ in 0..<RecordLayer.maximumEmptyRecords { _ = try server.open(client.seal([])) }
        #expect(throws: RecordViolation.flood) { try server.open(client.seal([])) }
    }

    @Test("that are alerts close, warn, or end the session", arguments: kinds)
    func alerts(version: RecordVersion, suite: RecordSuite) throws {
        var (client, server) = try Self.pair(version, suite)
        #expect(try server.open(client.sealAlert(level: 1, 90)).0 == .nothing)
        #expect(throws: RecordViolation.alerted) {
            var (client, server) = (client, server)
            _ = try server.open(client.sealAlert(level: 2, 40))
        }
        #expect(throws: RecordViolation.unexpectedMessage) {
            var (client, server) = (client, server)
            _ = try server.open(client.seal([], type: 21))
        }
        #expect(throws: RecordViolation.decodeError) {
            var (client, server) = (client, server)
            _ = try server.open(client.seal([1], type: 21))
        }
        // TLS 1.2 has two levels; in 1.3 they say nothing.
        for level: UInt8 in [0, 3, 255] {
            #expect(throws: version == .tls13 ? RecordViolation.alerted : .illegalParameter) {
                var (client, server) = (client, server)
                _ = try server.open(client.sealAlert(level: level, 40))
            }
        }
        do {
            var (client, server) = (client, server)
            let alert = try client.sealAlert(level: 2, 90)
            if version == .tls13 {
                #expect(try server.open(alert).0 == .nothing)
            } else {
                #expect(throws: RecordViolation.alerted) { try server.open(alert) }
            }
        }
        for level: UInt8 in [1, 2] {
            var (client, server) = (client, server)
            #expect(try server.open(client.sealAlert(level: level, 0)).0 == .closed)
        }
        for _ in 1..<RecordLayer.maximumWarnings { _ = try server.open(client.sealAlert(level: 1, 90)) }
        #expect(throws: RecordViolation.flood) { try server.open(client.sealAlert(level: 1, 90)) }
    }

    @Test("are refused when they are longer than was agreed for both directions", arguments: kinds)
    func agreedLength(version: RecordVersion, suite: RecordSuite) throws {
        var (client, server) = try Self.pair(version, suite)
        server.parameters.maximumFragment = 512
        #expect(try server.open(client.seal(Self.bytes(512))).1 == Self.bytes(512))
        #expect(throws: RecordViolation.recordOverflow) { try server.open(client.seal(Self.bytes(513))) }
    }

    @Test("begin again from both sides with new keys", arguments: RecordSuite.allCases)
    func keyUpdates(suite: RecordSuite) throws {
        var (client, server) = try Side.pair(suite)
        for round in 0..<100 {
            #expect(try server.open(client.sealKeyUpdate(isRequesting: round % 2 == 0)).0 == .keyUpdate(isRequested: round % 2 == 0))
            #expect(try client.open(server.sealKeyUpdate(isRequesting: false)).0 == .keyUpdate(isRequested: false))
            #expect(client.writing.sequence == 0)
            #expect(try server.open(client.seal(Self.bytes(round))).1 == Self.bytes(round))
            #expect(try client.open(server.seal(Self.bytes(round + 1))).1 == Self.bytes(round + 1))
            #expect(try server.open(client.seal([9])).1 == [9])
            #expect(try client.open(server.seal([9])).1 == [9])
        }
    }

    @Test("with a key update in pieces, and with one that is none", arguments: RecordSuite.allCases)
    func oddKeyUpdates(suite: RecordSuite) throws {
        var (client, server) = try Side.pair(suite)
        for byte: UInt8 in [24, 0, 0, 1] {
            var victim = server
            #expect(throws: RecordViolation.unexpectedMessage) {
                var sender = client
                _ = try victim.open(sender.seal([byte], type: 22))
                // Between two pieces of a message nothing else may come.
                _ = try victim.open(sender.seal([1], type: 23))
            }
            #expect(try server.open(client.seal([byte], type: 22)).0 == .nothing)
        }
        #expect(try server.open(client.seal([1], type: 22)).0 == .keyUpdate(isRequested: true))
        for (message, violation): ([UInt8], RecordViolation) in [
            ([24, 0, 0, 1, 2], .illegalParameter), ([24, 0, 0, 2, 0, 0], .decodeError),
            ([24, 0, 0, 1, 0, 24], .unexpectedMessage), ([1, 0, 0, 0], .unexpectedMessage),
            ([4, 0, 0, 0], .unexpectedMessage), ([], .unexpectedMessage),
        ] {
            var (sender, victim) = try Side.pair(suite)
            #expect(throws: violation, "\(message)") { try victim.open(sender.seal(message, type: 22)) }
        }
    }

    @Test("that only update keys are a flood after thirty-two", arguments: RecordSuite.allCases)
    func flood(suite: RecordSuite) throws {
        var (client, server) = try Side.pair(suite)
        for _ in 0..<RecordLayer.maximumUpdates { _ = try server.open(client.sealKeyUpdate(isRequesting: true)) }
        #expect(throws: RecordViolation.flood) { try server.open(client.sealKeyUpdate(isRequesting: true)) }
    }

    @Test("of a server that are tickets are passed over, whole and in pieces", arguments: RecordSuite.allCases)
    func tickets(suite: RecordSuite) throws {
        var (client, server) = try Side.pair(suite)
        let ticket: [UInt8] = [4, 0, 1, 0] + Self.bytes(256)
        #expect(try client.open(server.seal(ticket + ticket, type: 22)).0 == .nothing)
        for piece in 0..<26 {
            let part = ticket[(piece * 10)..<min(ticket.count, piece * 10 + 10)]
            #expect(try client.open(server.seal(Array(part), type: 22)).0 == .nothing)
        }
        #expect(try client.open(server.seal([7])).1 == [7])
    }

    @Test("of TLS 1.2 that ask to begin again are answered with a warning", arguments: RecordSuite.allCases)
    func renegotiation(suite: RecordSuite) throws {
        var (client, server) = try Side.legacyPair(suite)
        #expect(try server.open(client.seal([1, 0, 0, 2, 3, 3], type: 22)).0 == .renegotiation)
        #expect(try client.open(server.seal([0, 0, 0, 0], type: 22)).0 == .renegotiation)
        // In pieces, too; what interrupts them is refused.
        #expect(try server.open(client.seal([1, 0], type: 22)).0 == .nothing)
        #expect(try server.open(client.seal([0, 3, 9], type: 22)).0 == .renegotiation)
        #expect(throws: RecordViolation.unexpectedMessage) {
            var (client, server) = (client, server)
            _ = try server.open(client.seal([7]))
        }
        #expect(try server.open(client.seal([9, 9], type: 22)).0 == .nothing)
        #expect(try server.open(client.seal([7])).0 == .data(1))
        #expect(throws: RecordViolation.unexpectedMessage) { try server.open(client.seal([20, 0], type: 22)) }
    }

    @Test("without a type, or longer inside than allowed, end a session of TLS 1.3")
    func innerType() throws {
        var (client, server) = try Side.pair(.aes128GCM)
        // Nothing but padding: sealed as a record of type 0 without content.
        #expect(throws: RecordViolation.unexpectedMessage) {
            var (client, server) = (client, server)
            _ = try server.open(client.seal([0, 0, 0], type: 0))
        }
        #expect(throws: RecordViolation.unexpectedMessage) {
            var (client, server) = (client, server)
            _ = try server.open(client.seal([1], type: 20))
        }
        // Padding after the type.
        #expect(try server.open(client.seal([5, 23] + [UInt8](repeating: 0, count: 30), type: 0)).1 == [5])
    }

    @Test("are due for new keys at the cipher's limit, and end with their numbers")
    func limits() throws {
        var (client, _) = try Side.pair(.aes128GCM)
        #expect(!RecordLayer.isSpent(client.writing, client.parameters))
        client.writing.sequence = 1 << 24
        #expect(RecordLayer.isSpent(client.writing, client.parameters))
        client.writing.sequence = .max
        #expect(throws: RecordViolation.exhausted) { try client.seal([1]) }
        client.reading.keys.sequence = .max
        #expect(throws: RecordViolation.exhausted) { try client.open([23, 3, 3, 0, 17] + Self.bytes(17)) }
    }

    @Test("weigh little: the whole state of a session is plain data of a bounded size")
    func size() {
        #expect(MemoryLayout<TakenOverSession>.size <= 280)
    }
}
