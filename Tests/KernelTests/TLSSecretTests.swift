// The pair secret: its file, its permissions, the keys derived from it.

import Glibc
import Linux
import TLS
import Testing

@Suite struct TLSSecretTests {
    // MARK: Keys

    @Test func hkdfGivesTheStandardsVectors() throws {
        // RFC 5869, A.1
        #expect(
            try KeyDerivation.hkdf(
                secret: .init(repeating: 0x0B, count: 22), salt: Array(0x00...0x0C), info: Array(0xF0...0xF9), count: 42
            )
                == hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
        // RFC 5869, A.3: no salt, no info
        #expect(
            try KeyDerivation.hkdf(secret: .init(repeating: 0x0B, count: 22), salt: [], info: [], count: 42)
                == hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    }

    @Test func keysForOtherPurposesAreOtherKeys() throws {
        let secret = TLSDialogue.secret
        let keys = try [
            secret.key("a", count: 32), secret.key("b", count: 32), secret.key("a", context: [0], count: 32),
            TLSDialogue.otherSecret.key("a", count: 32),
        ]
        #expect(Set(keys).count == keys.count)
        #expect(try secret.key("a", count: 32) == keys[0])
        #expect(try secret.tableHashKey() == secret.tableHashKey())
        #expect(try secret.tableHashKey() != TLSDialogue.otherSecret.tableHashKey())
    }

    // MARK: The format

    @Test func whatIsGeneratedIsRead() throws {
        let secret = PairSecret.generate()
        #expect(try PairSecret(parsing: secret.fileContents) == secret)
        #expect(secret != PairSecret.generate())
        #expect(String(decoding: secret.fileContents, as: UTF8.self).hasPrefix("understudy-pair-1 "))
    }

    @Test func whiteSpaceAndCapitalsDoNotMatter() throws {
        let text = "\r\n  understudy-pair-1 \t\(TLSDialogue.digits(1).uppercased())\r\n\n"
        #expect(try PairSecret(parsing: Array(text.utf8)) == TLSDialogue.secret)
    }

    @Test func nothingPrintsTheSecret() {
        var printed = ""
        dump(TLSDialogue.secret, to: &printed)
        printed += "\(TLSDialogue.secret) \(String(reflecting: TLSDialogue.secret))"
        #expect(!printed.contains(TLSDialogue.digits(1).prefix(8)))
        // The first octets as an array of numbers would be.
        #expect(!printed.contains("38"))
    }

    @Test(arguments: [
        ("", PairSecret.Problem.empty),
        (" \n\t", .empty),
        ("-----BEGIN PRIVATE KEY-----", .otherFormat),
        ("understudy-pair-2 \(TLSDialogue.digits(1))", .otherFormat),
        (TLSDialogue.digits(1), .otherFormat),
        ("understudy-pair-1", .notOneValue),
        ("understudy-pair-1 00 11", .notOneValue),
        ("understudy-pair-1 00zz", .notHexadecimal(at: 3)),
        ("understudy-pair-1 00é0", .notHexadecimal(at: 3)),
        ("understudy-pair-1 \(TLSDialogue.digits(1).dropLast(2))", .wrongLength(digits: 62)),
        ("understudy-pair-1 \(TLSDialogue.digits(1))0", .wrongLength(digits: 65)),
        ("understudy-pair-1 " + String(repeating: "ab", count: 65), .wrongLength(digits: 130)),
        ("understudy-pair-1 " + String(repeating: "00", count: 32), .notRandom),
        (String(repeating: " ", count: PairSecret.maximumFileSize + 1), .tooLarge),
    ])
    func aWrongFileSaysWhatIsWrong(_ text: String, _ problem: PairSecret.Problem) {
        #expect(throws: problem) { try PairSecret(parsing: Array(text.utf8)) }
    }

    // MARK: The file

    @Test func aFileForItsOwnerAloneIsRead() throws {
        try withFile(TLSDialogue.secret.fileContents, mode: 0o600) { path throws in
            #expect(try SecretFile.read(path) == TLSDialogue.secret)
        }
        try withFile(TLSDialogue.secret.fileContents, mode: 0o400) { path throws in
            #expect(try SecretFile.read(path) == TLSDialogue.secret)
        }
    }

    @Test(arguments: [0o640, 0o604, 0o644, 0o620, 0o602, 0o610] as [UInt32])
    func aFileOpenToOthersIsRefused(_ mode: UInt32) throws {
        try withFile(TLSDialogue.secret.fileContents, mode: mode) { path in
            let refusal = #expect(throws: SecretFile.Refusal.self) { try SecretFile.read(path) }
            #expect(refusal?.problem == .exposed(mode: mode))
            #expect(refusal?.description.contains("chmod 600 \(path)") == true)
            #expect(refusal?.description.contains("(mode 0\(String(mode, radix: 8)))") == true)
        }
    }

    @Test func aMissingFileADirectoryAndAPipeAreRefused() throws {
        try withFile([], mode: 0o600) { path in
            #expect(problem(path + ".absent") == .missing)
            #expect(problem("/") == .notAFile)
            try check("mkfifo") { unsafe mkfifo(path + ".pipe", 0o600) }
            defer { _ = unsafe unlink(path + ".pipe") }
            #expect(problem(path + ".pipe") == .notAFile)
        }
    }

    @Test func aFileOfAnotherUserIsRefused() throws {
        try #require(geteuid() == 0, "needs root to give a file away")
        try withFile(TLSDialogue.secret.fileContents, mode: 0o600) { path in
            try check("chown") { unsafe chown(path, 12_345, 0) }
            #expect(problem(path) == .foreignOwner(12_345))
        }
    }

    @Test func wrongContentsNameTheFile() throws {
        try withFile([], mode: 0o600) { path in
            let refusal = #expect(throws: SecretFile.Refusal.self) { try SecretFile.read(path) }
            #expect(refusal?.problem == .contents(.empty))
            #expect(refusal?.description.contains(path) == true)
        }
        try withFile(.init(repeating: 0x20, count: 5_000), mode: 0o600) { path in
            #expect(problem(path) == .contents(.tooLarge))
        }
    }

    private func problem(_ path: String) -> SecretFile.Problem? {
        do throws(SecretFile.Refusal) {
            _ = try SecretFile.read(path)
            return nil
        } catch {
            return error.problem
        }
    }

    /// A file of its own for the body, removed afterwards.
    private func withFile(_ contents: [UInt8], mode: UInt32, _ body: (String) throws -> Void) throws {
        let path = "/tmp/understudy-secret-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let number = try check("open") { unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
        defer { _ = unsafe unlink(path) }
        let file = FileDescriptor(owning: number)
        try Descriptor.writeAll(file.number, contents)
        try check("fchmod") { fchmod(file.number, mode) }
        try body(path)
    }

    private func hex(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue).map { UInt8($0) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
