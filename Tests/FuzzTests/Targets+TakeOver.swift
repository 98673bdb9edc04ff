// The take-over: what is read out of OpenSSL, and whole handshakes whose bytes were tampered with.

import COpenSSL
import Foundation
import Glibc
import Wire

@testable import TLS

extension FuzzTarget {
    /// Lines of a key log, as the library would write them: secrets of any length or none, and nothing that is believed by half.
    static let keyLog = FuzzTarget(
        name: "tls-key-log",
        words: [
            Array("CLIENT_TRAFFIC_SECRET_0 ".utf8), Array("SERVER_TRAFFIC_SECRET_0 ".utf8), Array("EXPORTER_SECRET ".utf8),
            Array(repeating: 0x61, count: 64), Array(repeating: 0x30, count: 96), [0x20], [0x0A], [0x67],
        ]
    ) { bytes in
        let witness = HandshakeWitness()
        var outcome = ""
        for line in bytes.split(separator: 0x0A, maxSplits: 8, omittingEmptySubsequences: true) {
            let text = line.map { CChar(bitPattern: $0) } + [0]
            // Sound: a C string that lives as long as the call.
            unsafe text.withUnsafeBufferPointer { unsafe witness.note($0.baseAddress.unsafelyUnwrapped) }
            for secret in [witness.clientSecret, witness.serverSecret] {
                try demand(secret.count <= HandshakeWitness.maximumSecret, "a secret of \(secret.count) bytes")
            }
            // A line is believed as a whole: label, one word, and digits to its end.
            let words = line.prefix { $0 != 0 }.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
            let isOurs = words.count == 3 && (words[0].elementsEqual("CLIENT_TRAFFIC_SECRET_0".utf8))
            if isOurs {
                let digits = String(decoding: words[2], as: UTF8.self).unicodeScalars.map { $0 }
                let isHexadecimal = digits.allSatisfy { $0.isASCII && $0.properties.isASCIIHexDigit }
                let isGood = isHexadecimal && digits.count % 2 == 0 && digits.count <= 2 * HandshakeWitness.maximumSecret
                let count = isGood ? digits.count / 2 : 0
                try demand(witness.clientSecret.count == count, "\(witness.clientSecret.count) bytes of \(digits.count) digits")
            }
            outcome += "\(witness.clientSecret.count) \(witness.serverSecret.count)/"
        }
        witness.wipe()
        try demand(witness.clientSecret.isEmpty && witness.serverSecret.isEmpty, "a secret was kept")
        return outcome
    }

    /// What a server of TLS 1.2 sends in its handshake, in any pieces: the explicit nonce that is found behind the change of ciphers is
    /// the same however it is cut.
    static let firstFlight = FuzzTarget(
        name: "tls-first-flight", words: [[20, 3, 3, 0, 1, 1], [22, 3, 3, 0, 40], [22, 3, 3, 0, 4], [23, 3, 3, 0, 0], [0xFF, 0xFF]]
    ) { bytes in
        guard let cut = bytes.first else { return "nothing" }
        let flight = Array(bytes.dropFirst())
        let whole = HandshakeWitness()
        whole.pass(flight.span)
        let pieces = HandshakeWitness()
        for start in stride(from: 0, to: flight.count, by: Int(cut) % 23 + 1) {
            pieces.pass(flight.span.extracting(start..<min(start + Int(cut) % 23 + 1, flight.count)))
        }
        try demand(whole.explicitNonce == pieces.explicitNonce, "\(cut): another nonce in pieces")
        // Record for record: the first eight bytes behind a change_cipher_spec that is not empty.
        var rest = flight[...]
        var isEncrypted = false
        var hidden: [UInt8] = []
        while hidden.count < 8, rest.count >= 5 {
            let header = Array(rest.prefix(5))
            let body = rest.dropFirst(5).prefix(Int(header[3]) << 8 | Int(header[4]))
            if isEncrypted { hidden += body }
            if header[0] == 20, !body.isEmpty, body.count == Int(header[3]) << 8 | Int(header[4]) { isEncrypted = true }
            rest = rest.dropFirst(5 + body.count)
        }
        let expected = hidden.count < 8 ? nil : hidden.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        try demand(whole.explicitNonce == expected, "another nonce than the records have")
        return expected == nil ? (isEncrypted ? "changed" : "clear") : "nonce"
    }

    /// A whole handshake of OpenSSL with OpenSSL, taken over on both sides, while somebody tampers with what the client sends: the
    /// first byte is version and suite, the second what is done, the third to which of the client's records, the others with what.
    ///
    /// Whatever is done: what is opened is what the client said, from its beginning, and nothing else. And where nothing is
    /// done, all of it.
    static let takeOver = FuzzTarget(
        name: "tls-take-over",
        words: [[23, 3, 3, 0, 40], [22, 3, 3, 0, 40], [21, 3, 3, 0, 2, 2, 40], [20, 3, 3, 0, 1, 1], [0x80], [1, 0, 0, 0], [24, 0, 0, 1, 1]]
    ) { bytes in
        guard bytes.count >= 3 else { return "short" }
        var meeting = try Meeting(bytes)
        return try meeting.run()
    }
}

/// One handshake with somebody in between.
private struct Meeting {
    /// What is done to one of the client's records.
    private enum Tampering: Int, CaseIterable {
        case nothing, before, behind, changed, cut, twice, late
    }

    private static let words = (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    /// Client and server of both versions and three suites.
    private static let contexts: [(client: TLSContext, server: TLSContext)] = {
        let folder = "/tmp/understudy-take-over-\(getpid())"
        // Sound: the strings are lent to the calls; the contexts' handles live with their owners.
        let made = unsafe system(
            """
            mkdir -p \(folder) && cd \(folder) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
            -days 30 -subj /CN=mqtt.example.com -keyout server.key -out server.pem 2>/dev/null
            """)
        precondition(made == 0, "openssl made no certificate")
        defer { _ = unsafe system("rm -rf \(folder)") }
        return [13, 12].flatMap { version in
            [
                ("TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"), ("TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
                ("TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
            ].map { suite, cipher in
                do {
                    let server = try TLSContext(server: folder + "/server.pem", key: folder + "/server.key", version: version)
                    _ = unsafe SSL_CTX_set_ciphersuites(server.handle, suite)
                    _ = unsafe SSL_CTX_set_cipher_list(server.handle, cipher)
                    return (try TLSContext(clientTrusting: folder + "/server.pem", version: version), server)
                } catch { preconditionFailure("\(error)") }
            }
        }
    }()

    private let client: TLSSession
    private let server: TLSSession
    private let tampering: Tampering
    /// Whether the server is shown everything at once, which it must not be.
    private let isGreedy: Bool
    private let place: Int
    private let content: [UInt8]
    private var toServer: [UInt8] = []
    private var records = 0
    private var held: [UInt8] = []
    private var wasTampered = false

    init(_ bytes: [UInt8]) throws {
        let pair = Self.contexts[Int(bytes[0]) % Self.contexts.count]
        client = try TLSSession(pair.client)
        server = try TLSSession(pair.server)
        tampering = Tampering.allCases[Int(bytes[1] & 15) % Tampering.allCases.count]
        isGreedy = bytes[1] & 0x80 != 0
        place = Int(bytes[2] & 7)
        content = Array(bytes.dropFirst(3).prefix(4096))
    }

    /// Passes the client's records on, and does to one of them what is to be done.
    private mutating func carry(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while rest.count >= 5 {
            let header = Array(rest.prefix(5))
            var record = Array(rest.prefix(5 + (Int(header[3]) << 8 | Int(header[4]))))
            rest = rest.dropFirst(record.count)
            defer { records += 1 }
            guard records == place, tampering != .nothing else {
                toServer += record + held
                held = []
                continue
            }
            wasTampered = true
            switch tampering {
            case .nothing: break
            case .before: toServer += content + record
            case .behind: toServer += record + content
            case .changed:
                for (index, byte) in content.enumerated() where index < record.count { record[record.count - 1 - index] ^= byte }
                toServer += record
            case .cut: toServer += record.dropLast(1 + content.count % record.count)
            case .twice: toServer += record + record
            case .late: held = record
            }
        }
    }

    /// The first record of a stream, when it is whole.
    private static func first(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= 5 else { return nil }
        let length = 5 + (Int(bytes[3]) << 8 | Int(bytes[4]))
        return bytes.count >= length ? Array(bytes.prefix(length)) : nil
    }

    mutating func run() throws -> String {
        var toClient: [UInt8] = []
        var said: TakenOverSession?
        do {
            for _ in 0..<12 {
                carry(client.takeCiphertext(limit: 1 << 20))
                if client.state == .established, said == nil {
                    said = try client.takeOver()
                    // With the Finished, before the server has seen it.
                    carry(try Self.seal(Self.words, &said))
                }
                while server.state == .handshaking, !toServer.isEmpty {
                    guard let record = isGreedy ? toServer : Self.first(toServer) else { break }
                    toServer.removeFirst(record.count)
                    try server.receive(record.span)
                }
                toClient += server.takeCiphertext(limit: 1 << 20)
                while client.state == .handshaking, let record = Self.first(toClient) {
                    toClient.removeFirst(record.count)
                    try client.receive(record.span)
                }
                if server.state == .established, said != nil { break }
            }
        } catch let error as TLSError {
            try demand(wasTampered || isGreedy, "\(error) without a reason")
            return "\(error.kind)"
        } catch let refusal as TakeOverRefusal {
            throw FuzzFinding(description: "the client is refused: \(refusal)")
        }
        guard server.state == .established, said != nil else {
            try demand(wasTampered || isGreedy, "the handshake is not done")
            return "unfinished"
        }
        return try continueAsServer()
    }

    /// Takes the server over, and reads what the client has said.
    private func continueAsServer() throws -> String {
        let taken: TakenOverSession
        do throws(TakeOverRefusal) { taken = try server.takeOver() } catch {
            try demand(isGreedy && error == .pending, "refused: \(error)")
            return "\(error)"
        }
        let cipher = try RecordCipher()
        var reading = taken.reading
        var heard: [UInt8] = []
        var rest = toServer
        var end = "open"
        do throws(RecordViolation) {
            while let length = try RecordLayer.length(of: rest.span, taken.parameters), length <= rest.count {
                var output = [UInt8](repeating: 0, count: length)
                var span = output.mutableSpan
                let opened = try RecordLayer.open(
                    rest.span.extracting(0..<length), taken.parameters, &reading, cipher, owner: 0, into: &span, at: 0)
                rest.removeFirst(length)
                if case .data(let count) = opened { heard += output[..<count] }
            }
        } catch { end = "\(error)" }
        try demand(Self.words.starts(with: heard), "something was heard that nobody said")
        try demand(wasTampered || isGreedy || heard.count == Self.words.count, "\(heard.count) bytes were heard, \(end)")
        return "\(end) \(heard.count)"
    }

    /// Records of what a client says.
    private static func seal(_ words: [UInt8], _ session: inout TakenOverSession?) throws -> [UInt8] {
        guard var state = session else { return [] }
        let cipher = try RecordCipher()
        var all: [UInt8] = []
        for start in stride(from: 0, to: words.count, by: 1000) {
            let piece = Array(words[start..<min(start + 1000, words.count)])
            var output = [UInt8](repeating: 0, count: piece.count + RecordLayer.overhead(state.parameters))
            var span = output.mutableSpan
            _ = try RecordLayer.seal(piece.span, state.parameters, &state.writing, cipher, owner: 0, into: &span, at: 0)
            all += output
        }
        session = state
        return all
    }
}
