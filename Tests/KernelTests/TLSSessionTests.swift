// TLS sessions with a pre-shared key: who gets in, who is refused and why, and the bytes that pass.

import TLS
import Testing
import Wire

@Suite struct TLSSessionTests {
    @Test func theSameSecretOnBothSidesMakesASession() throws {
        let dialogue = try TLSDialogue()
        dialogue.run()
        #expect(dialogue.client.state == .established)
        #expect(dialogue.server.state == .established)
        #expect(dialogue.clientError == nil && dialogue.serverError == nil)
    }

    @Test func anotherSecretIsRefusedByNameOnBothSides() throws {
        let dialogue = try TLSDialogue(serverSecret: TLSDialogue.otherSecret)
        dialogue.run()
        #expect(dialogue.serverError?.kind == .wrongSecret)
        #expect(dialogue.serverError?.reason.contains("binder does not verify") == true)
        #expect(dialogue.clientError?.kind == .wrongSecret)
        #expect(dialogue.client.state != .established)
        #expect(dialogue.server.state != .established)
    }

    @Test func anotherNodesNameIsRefused() throws {
        let dialogue = try TLSDialogue(clientNames: ("caesar", "berta"))
        dialogue.run()
        #expect(dialogue.serverError?.kind == .wrongIdentity)
        #expect(dialogue.clientError?.kind == .wrongIdentity)
    }

    @Test func aConnectionTurnedBackToItsSenderIsRefused() throws {
        // Anton dials, and something turns the connection back to Anton's own listener, which expects Berta.
        let dialogue = try TLSDialogue(clientNames: ("anton", "berta"), serverNames: ("berta", "anton"))
        dialogue.run()
        #expect(dialogue.serverError?.kind == .wrongIdentity)
        #expect(dialogue.server.state != .established)
    }

    @Test func directionsDoNotShareAKey() throws {
        let there = try PresharedKey(TLSDialogue.secret, client: "anton", server: "berta")
        let back = try PresharedKey(TLSDialogue.secret, client: "berta", server: "anton")
        #expect(there != back)
        #expect(there == (try PresharedKey(TLSDialogue.secret, client: "anton", server: "berta")))
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\u{10}\u{0C}\u{0}\u{4}MQTT\u{4}\u{2}\u{0}<\u{0}\u{0}",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ])
    func whatIsNotTLSIsMalformed(_ text: String) throws {
        let server = try TLSSession(
            TLSContext(
                presharedKey: PresharedKey(TLSDialogue.secret, client: "anton", server: "berta"), role: .server))
        let error = #expect(throws: TLSError.self) { try server.receive(Array(text.utf8).span) }
        #expect(error?.kind == .malformed)
        #expect(error?.reason.isEmpty == false)
        // What failed stays failed.
        #expect(throws: TLSError.self) { try server.receive([1, 2, 3].span) }
    }

    @Test func aClientWithoutThePreSharedKeyIsRefused() throws {
        // The first message of Python's ssl module, which offers TLS 1.3 and wants a certificate.
        let hello = """
            16030100dc010000d803035e43f8ad20e8f8cf9bd2ed85bbc5b1ad9af0206d73c433e6f6251215e25c2f882006a67489e441 \
            6dd22032ab7453705904b06c3e67ad40457b8619eeef981662d3000813021303130100ff01000087000b000403000102000a \
            00160014001d0017001e0019001801000101010201030104002300000016000000170000000d001e001c0403050306030807 \
            08080809080a080b080408050806040105010601002b0003020304002d00020101003300260024001d0020f4dac816b6fbc4 \
            317fbbf6e2a19fb7e1efe0404cf83315faf650fc1e81bbcb4e
            """
        let digits = hello.compactMap(\.hexDigitValue).map { UInt8($0) }
        let bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        let server = try TLSSession(
            TLSContext(
                presharedKey: PresharedKey(TLSDialogue.secret, client: "anton", server: "berta"), role: .server))
        let error = #expect(throws: TLSError.self) { try server.receive(bytes.span) }
        #expect(error?.kind == .missingSecret)
        // The alert that tells the client (RFC 8446, 6): handshake_failure is fatal.
        #expect(server.takeCiphertext(limit: 100).first == 21)
    }

    @Test func noByteMayChangeOnTheWay() throws {
        let dialogue = try TLSDialogue()
        dialogue.run()
        try dialogue.client.write(Array("stick".utf8).span)
        var record = dialogue.client.takeCiphertext(limit: 1000)
        record[record.count - 3] ^= 1
        try dialogue.server.receive(record.span)
        let error = #expect(throws: TLSError.self) { try dialogue.server.readPlaintext() }
        #expect(error?.kind == .malformed)
    }

    @Test(arguments: [1, 7, 1_000])
    func piecesOfAnySizeAreTheSameStream(_ piece: Int) throws {
        let dialogue = try TLSDialogue()
        dialogue.run(piece: piece)
        let there = SeededGenerator.bytes(5_000, seed: 1)
        let back = SeededGenerator.bytes(3_000, seed: 2)
        try dialogue.client.write(there.span)
        try dialogue.server.write(back.span)
        dialogue.run(piece: piece)
        #expect(dialogue.fromClient == there)
        #expect(dialogue.fromServer == back)
    }

    @Test func megabytesPassBothWays() throws {
        let dialogue = try TLSDialogue()
        dialogue.run()
        let there = SeededGenerator.bytes(3_000_000, seed: 3)
        let back = SeededGenerator.bytes(2_000_000, seed: 4)
        try dialogue.client.write(there.span)
        try dialogue.server.write(back.span)
        dialogue.run(piece: 50_000)
        #expect(dialogue.fromClient == there)
        #expect(dialogue.fromServer == back)
    }

    @Test func nothingIsWrittenBeforeTheHandshakeIsDone() throws {
        let dialogue = try TLSDialogue()
        let error = #expect(throws: TLSError.self) { try dialogue.client.write([1].span) }
        #expect(error?.kind == .closed)
    }

    @Test func closeNotifyAndTruncationAreToldApart() throws {
        let closing = try TLSDialogue()
        closing.run()
        closing.client.close()
        closing.run()
        #expect(closing.client.state == .closed)
        #expect(closing.server.state == .ended)
        try closing.server.receiveEnd()
        // The other direction is still open (RFC 8446, 6.1).
        try closing.server.write(Array("last words".utf8).span)
        closing.run()
        #expect(closing.fromServer == Array("last words".utf8))
        #expect(throws: TLSError.self) { try closing.client.write([1].span) }

        let cut = try TLSDialogue()
        cut.run()
        let error = #expect(throws: TLSError.self) { try cut.server.receiveEnd() }
        #expect(error?.kind == .truncated)
    }
}

extension SeededGenerator {
    /// `count` bytes that look random, the same for the same seed.
    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
}
