// Real handshakes of OpenSSL, taken over: the other side is OpenSSL from the first byte to the last.

import COpenSSL
import Testing

@testable import TLS

@Suite("A session that is taken over")
struct TakeOverTests {
    /// A session whose server side is ours.
    private struct Taken {
        let client: OpenSSLClient
        var side: Side
        /// What came behind the last record of the handshake.
        var leftovers: [UInt8]
        /// What OpenSSL's server sent last.
        let lastFlight: [UInt8]
    }

    /// Does a handshake, feeding the server one record at a time, as the loop does.
    private static func meet(
        _ wish: Wish, _ context: TLSContext, resuming session: Resumable? = nil, early: [UInt8] = []
    ) throws -> Taken {
        let client = OpenSSLClient(wish, resuming: session)
        let server = try TLSSession(context)
        var toServer: [UInt8] = []
        var lastFlight: [UInt8] = []
        var isDone = false
        for _ in 0..<10 {
            if !isDone {
                isDone = client.shakeHands()
                // Spoken before the server has seen that the client is done.
                if isDone, !early.isEmpty, server.state != .established { client.write(early) }
            }
            toServer += client.take()
            while server.state == .handshaking, toServer.count >= 5 {
                let length = 5 + Int(toServer[3]) << 8 + Int(toServer[4])
                guard toServer.count >= length else { break }
                try server.receive(Array(toServer.prefix(length)).span)
                toServer.removeFirst(length)
            }
            let flight = server.takeCiphertext(limit: 1 << 20)
            if !flight.isEmpty { lastFlight = flight }
            client.receive(flight)
            if server.state == .established, isDone || client.shakeHands() {
                if !isDone, !early.isEmpty {
                    client.write(early)
                    toServer += client.take()
                }
                break
            }
        }
        #expect(server.state == .established, "\(wish)")
        #expect(client.isResumed == (session != nil), "\(wish)")
        let taken = try server.takeOver()
        return Taken(
            client: client, side: try Side(taken), leftovers: toServer + client.take(), lastFlight: lastFlight)
    }

    /// A client's session, for the next one to resume.
    private static func session(_ wish: Wish, _ context: TLSContext) throws -> Resumable {
        var first = wish
        first.isResumed = false
        let taken = try meet(first, context)
        _ = taken.client.read()
        return try #require(taken.client.session())
    }

    private static func meet(_ wish: Wish, early: [UInt8] = []) throws -> Taken {
        let context = try Workshop.server(wish)
        guard wish.isResumed else { return try meet(wish, context, early: early) }
        return try meet(wish, context, resuming: session(wish, context), early: early)
    }

    /// The records of a stream, each with its header.
    private static func records(_ bytes: [UInt8]) -> [[UInt8]] {
        var rest = bytes[...]
        var records: [[UInt8]] = []
        while rest.count >= 5 {
            let bytes = Array(rest)
            let length = 5 + Int(bytes[3]) << 8 + Int(bytes[4])
            records.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return records
    }

    static let wishes: [Wish] = RecordSuite.allCases.flatMap { suite in
        let modern = [0, 1, 2].flatMap { tickets in
            [false, true].flatMap { isResumed in
                // A client without a ticket has nothing to resume.
                tickets == 0 && isResumed ? [] : [Wish(suite: suite, isResumed: isResumed, tickets: tickets)]
            }
        }
        let legacy = [false, true].map { Wish(version: .tls12, suite: suite, isResumed: $0) }
        let others = [
            Wish(suite: suite, isRetried: true), Wish(suite: suite, isResumed: true, isRetried: true),
            Wish(suite: suite, showsCertificate: true), Wish(version: .tls12, suite: suite, showsCertificate: true),
            Wish(version: .tls12, suite: suite, isResumed: true, showsCertificate: true),
        ]
        let fragments = (1...4).flatMap { (code: UInt8) in
            [Wish(suite: suite, fragment: code), Wish(version: .tls12, suite: suite, fragment: code)]
        }
        return modern + legacy + others + fragments
    }

    @Test("goes on with OpenSSL at the other end, both ways, to the end", arguments: wishes)
    func conversation(wish: Wish) throws {
        var taken = try Self.meet(wish)
        #expect(taken.side.parameters.version == wish.version && taken.side.parameters.suite == wish.suite)
        #expect(taken.side.parameters.maximumFragment == (wish.fragment > 0 ? 256 << UInt16(wish.fragment) : 16_384))
        for round in 0..<40 {
            let up = (0..<(round * 97)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ round) }
            let down = (0..<(round * 131)).map { UInt8(truncatingIfNeeded: $0 &* 11 &+ round) }
            if !up.isEmpty { taken.client.write(up) }
            var heard: [UInt8] = []
            for record in Self.records(taken.client.take()) { heard += try taken.side.open(record).1 }
            #expect(heard == up, "round \(round)")
            var rest = down[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(Int(taken.side.parameters.maximumFragment)))
                taken.client.receive(try taken.side.seal(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(taken.client.read() == down, "round \(round)")
            guard wish.version == .tls13, round % 5 == 4 else { continue }
            taken.client.updateKeys(requesting: round % 2 == 0)
            for record in Self.records(taken.client.take()) {
                #expect(try taken.side.open(record).0 == .keyUpdate(isRequested: round % 2 == 0))
            }
            taken.client.receive(try taken.side.sealKeyUpdate(isRequesting: false))
        }
        taken.client.close()
        let last = Self.records(taken.client.take())
        #expect(try last.map { try taken.side.open($0).0 } == [.closed])
        taken.client.receive(try taken.side.sealAlert(level: 1, 0))
        #expect(taken.client.read() == nil)
        #expect(taken.client.isShut)
    }

    @Test("begins behind OpenSSL's own tickets, which our keys open", arguments: wishes.filter { $0.version == .tls13 })
    func tickets(wish: Wish) throws {
        let taken = try Self.meet(wish)
        // A resumed session gets one fresh ticket, however many a full one gets.
        let expected = wish.isResumed ? min(1, wish.tickets) : wish.tickets
        #expect(taken.side.writing.sequence == UInt64(expected))
        let records = Self.records(taken.lastFlight).suffix(expected)
        #expect(records.count == expected)
        // What the server has sealed is what its client opens.
        var reader = taken.side
        reader.parameters.isServer = false
        var keys = taken.side.writing
        keys.sequence = 0
        reader.reading = RecordReading(keys: keys)
        for record in records { #expect(try reader.open(record).0 == .nothing) }
        #expect(reader.reading.keys.sequence == taken.side.writing.sequence)
    }

    @Test("finds what the client said with its Finished", arguments: wishes)
    func leftovers(wish: Wish) throws {
        let words = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
        var taken = try Self.meet(wish, early: words)
        #expect(taken.leftovers.count > words.count)
        var heard: [UInt8] = []
        for record in Self.records(taken.leftovers) { heard += try taken.side.open(record).1 }
        #expect(heard == words)
    }

    // MARK: Refusals

    private static func established(_ context: TLSContext, _ client: OpenSSLClient) throws -> TLSSession {
        let server = try TLSSession(context)
        for _ in 0..<10 where server.state == .handshaking {
            _ = client.shakeHands()
            try server.receive(client.take().span)
            client.receive(server.takeCiphertext(limit: 1 << 20))
        }
        return server
    }

    @Test("is over when the other side closes during the handshake: it is not waited for", arguments: RecordVersion.allCases)
    func closedEarly(version: RecordVersion) throws {
        let wish = Wish(version: version)
        let client = OpenSSLClient(wish)
        let server = try TLSSession(Workshop.server(wish))
        #expect(!client.shakeHands())
        try server.receive(client.take().span)
        #expect(!server.takeCiphertext(limit: 1 << 20).isEmpty)
        // close_notify in the clear.
        #expect { try server.receive(([21, 3, 3, 0, 2, 1, 0] as [UInt8]).span) } throws: { ($0 as? TLSError)?.kind == .refused }
        guard case .failed = server.state else {
            Issue.record("it waits: \(server.state)")
            return
        }
    }

    @Test("is refused before the handshake is done")
    func unfinished() throws {
        let server = try TLSSession(Workshop.server(Wish()))
        #expect(throws: TakeOverRefusal.unfinished) { try server.takeOver() }
    }

    @Test("is refused while OpenSSL holds bytes of either direction", arguments: RecordVersion.allCases)
    func pending(version: RecordVersion) throws {
        let wish = Wish(version: version)
        let client = OpenSSLClient(wish)
        let server = try Self.established(Workshop.server(wish), client)
        #expect(client.shakeHands())
        client.write([1, 2, 3])
        let bytes = client.take()
        try server.receive(Array(bytes.prefix(7)).span)
        #expect(throws: TakeOverRefusal.pending) { try server.takeOver() }
        try server.receive(Array(bytes.dropFirst(7)).span)
        #expect(throws: TakeOverRefusal.pending) { try server.takeOver() }
        // The session is as it was: OpenSSL goes on with it.
        #expect(try server.readPlaintext() == [1, 2, 3])
        try server.write([4, 5].span)
        #expect(throws: TakeOverRefusal.pending) { try server.takeOver() }
        client.receive(server.takeCiphertext(limit: 1 << 20))
        #expect(client.read() == [4, 5])
    }

    @Test("is refused when nobody listened to the handshake, or nobody wants it", arguments: RecordVersion.allCases)
    func unobserved(version: RecordVersion) throws {
        let wish = Wish(version: version)
        let server = try Self.established(Workshop.server(wish, records: false), OpenSSLClient(wish))
        #expect(server.state == .established)
        #expect(throws: TakeOverRefusal.unobserved) { try server.takeOver() }
    }

    @Test("is refused when its cipher is no AEAD, and stays with OpenSSL")
    func unsupported() throws {
        let wish = Wish(version: .tls12)
        let ciphers = "ECDHE-ECDSA-AES128-SHA256"
        let client = OpenSSLClient(wish, ciphers: ciphers)
        let server = try Self.established(Workshop.server(wish, ciphers: ciphers), client)
        #expect(server.state == .established)
        #expect(throws: TakeOverRefusal.unsupported) { try server.takeOver() }
        try server.write([9].span)
        client.receive(server.takeCiphertext(limit: 1 << 20))
        #expect(client.shakeHands())
        #expect(client.read() == [9])
    }

    @Test("is refused a second time: the secrets are gone")
    func twice() throws {
        let server = try Self.established(Workshop.server(Wish()), OpenSSLClient(Wish()))
        _ = try server.takeOver()
        #expect(throws: TakeOverRefusal.secrets) { try server.takeOver() }
    }
}
