// What `check` says about the files of a tls block: every mistake its own message, at its own place.

import Configuration
import Linux
import Testing
import Wire

@testable import TLS

@Suite("The files of a tls block")
struct TLSFileTests {
    /// One block, and its one message without place and excerpt.
    struct Case: Sendable, CustomTestStringConvertible {
        var tls: String
        /// Which words are underlined: everything up to the end of the line.
        var at: String
        var message: String
        var help: String?

        var testDescription: String { message }

        init(_ tls: String, at: String, _ message: String, help: String? = nil) {
            (self.tls, self.at, self.message, self.help) = (tls, at, message, help)
        }
    }

    static let cases = [
        Case("certificate @/nowhere.pem", at: "@/nowhere.pem", "error: there is no @/nowhere.pem"),
        Case(
            "certificate @/empty.pem; key @/server.key", at: "@/empty.pem",
            "error: @/empty.pem has no certificate: it holds nothing in PEM",
            help: "a certificate begins with -----BEGIN CERTIFICATE-----"),
        Case(
            "certificate @/server.csr; key @/server.key", at: "@/server.csr",
            "error: @/server.csr has no certificate: it holds a certificate request",
            help: "a certificate begins with -----BEGIN CERTIFICATE-----"),
        Case(
            "certificate @/chain.pem", at: "@/chain.pem", "error: the certificate @/chain.pem has no key",
            help: "add: key FILE, or append the key to the file"),
        Case(
            "certificate @/chain.pem; key @/other.key", at: "@/other.key",
            "error: the key @/other.key does not belong to the certificate @/chain.pem",
            help: "compare: openssl pkey -pubout -in @/other.key and openssl x509 -pubkey -noout -in @/chain.pem"),
        Case(
            "certificate @/mismatch.pem; client-ca @/root.crt", at: "@/mismatch.pem",
            "error: the key in @/mismatch.pem does not belong to the certificate in it",
            help: "put the certificate's own key into the file"),
        Case(
            "certificate @/chain.pem; key @/locked.key", at: "@/locked.key",
            "error: the key in @/locked.key is encrypted, and nobody is there to type a passphrase",
            help: "write it without one: openssl pkey -in @/locked.key -out NEW; chmod 600 NEW"),
        Case(
            "certificate @/chain.pem; key @/open.key", at: "@/open.key",
            "error: the key in @/open.key is open to all users (mode 0644)",
            help: "run: chmod 600 @/open.key, and replace the key: it may be known"),
        Case(
            "certificate @/chain.pem; key @/root.crt", at: "@/root.crt",
            "error: @/root.crt has no private key: it holds a certificate",
            help: "a key begins with -----BEGIN PRIVATE KEY-----"),
        Case(
            "certificate @/weak.crt; key @/weak.key; client-ca @/root.crt", at: "@/weak.crt",
            "error: the certificate @/weak.crt has a weak key (RSA 1024)",
            help: "use RSA with 2048 bits or more, or EC with 256"),
        Case(
            "certificate @/combined.pem; key @/other.key; client-ca @/root.crt", at: "@/other.key",
            "error: the key @/other.key belongs to none of the certificates",
            help: "name the file with its certificate, or leave the key out"),
        Case(
            "certificate @/expired.crt; key @/expired.key; client-ca @/root.crt", at: "@/expired.crt",
            "warning: the certificate @/expired.crt expired 1977 days ago",
            help: "clients that look at the date refuse it; replace it"),
        Case(
            "certificate @/future.crt; key @/future.key; client-ca @/root.crt", at: "@/future.crt",
            "warning: the certificate @/future.crt is not valid yet: it begins in 4597 days",
            help: "look at this host's clock, too"),
        Case(
            "certificate @/server.crt; key @/server.key; client-ca @/root.crt", at: "@/server.crt",
            "warning: the chain in @/server.crt ends before a root: the issuer is missing, CN=Middle,O=Example",
            help: "append the issuer's certificate, unless all clients have it"),
        Case(
            "certificate @/shuffled.pem; key @/server.key; client-ca @/root.crt", at: "@/shuffled.pem",
            "warning: the certificates in @/shuffled.pem are in the wrong order",
            help: "clients are sent them in the right one: first the server's, then each one's issuer"),
        Case(
            "certificate @/stray.pem; key @/server.key; client-ca @/root.crt", at: "@/stray.pem",
            "warning: @/stray.pem holds a certificate outside of its chain: CN=other.example.net",
            help: "clients are not sent what is outside; remove it, or correct the chain"),
        Case(
            "certificate @/clients.crt; key @/clients.key; client-ca @/empty.pem", at: "@/empty.pem",
            "error: @/empty.pem has no certificate: it holds nothing in PEM"),
        Case(
            "certificate @/other.pem; client-ca @/root.crt; crl @/clients.crl", at: "@/clients.crl",
            "warning: @/clients.crl has no list of the authority CN=Root,O=Example",
            help: "every certificate it has issued is refused; add its list"),
        Case(
            "certificate @/combined.pem; client-ca @/root.crt; crl @/root.crt", at: "@/root.crt",
            "error: @/root.crt has no revocation list: it holds a certificate"),
        Case(
            "certificate @/combined.pem; client-ca @/root.crt; ciphers NONSENSE", at: "NONSENSE",
            "error: OpenSSL does not take this list: no cipher match", help: "see openssl ciphers -v"),
        Case(
            "certificates @/nowhere", at: "@/nowhere", "error: @/nowhere cannot be read: No such file or directory"),
    ]

    @Test(arguments: cases)
    func `each mistake has its message`(_ item: Case) throws {
        let text = TLSWorkshop.configuration(listener: item.tls)
        let line = try #require(text.split(separator: "\n").dropFirst().first).replacing(
            TLSWorkshop.directory, with: "@")
        let messages = TLSWorkshop.messages(text)
        let expected = "\(item.message)\n"
        #expect(messages.contains(expected), "\(messages)")
        // One mistake, one message.
        let count = messages.split(separator: "\n").count { $0.hasPrefix("test.conf:") }
        #expect(count == 1, "\(messages)")
        // The place: the last time these words stand in the line, and the tls block is in line 2.
        let words = try #require(line.ranges(of: item.at).last)
        let real = line[..<words.lowerBound].replacing("@", with: TLSWorkshop.directory)
        #expect(messages.hasPrefix("test.conf:2:\(real.unicodeScalars.count + 1): "), "\(messages)")
        if let help = item.help { #expect(messages.contains("      = \(help)\n"), "\(messages)") }
    }

    @Test(arguments: [
        "certificate @/combined.pem; client-ca @/root.crt",
        "certificate @/chain.pem; key @/server.key; client-ca @/root.crt",
        "certificate @/chain.pem; certificate @/other.pem; key @/server.key; client-ca @/root.crt",
        "certificate @/rsa.pem; certificate @/combined.pem; client-ca @/root.crt",
        "certificates @/many; client-ca @/root.crt",
        "certificate @/meter.crt; key @/meter.key; client-ca @/clients.crt; crl @/clients.crl",
    ])
    func `good files get no message`(_ tls: String) {
        #expect(TLSWorkshop.messages(TLSWorkshop.configuration(listener: tls)) == "")
    }

    @Test func `a certificate is worth a warning thirty days before it ends`() {
        let text = TLSWorkshop.configuration(listener: "certificate @/combined.pem; client-ca @/root.crt")
        let end: Int64 = 2_208_988_800
        #expect(TLSWorkshop.messages(text, time: end - 31 * 86_400) == "")
        let late = TLSWorkshop.messages(text, time: end - 29 * 86_400)
        #expect(late.contains("warning: the certificate @/combined.pem expires in 29 days\n"), "\(late)")
    }

    @Test func `a backend's files are judged too`() {
        func messages(_ tls: String) -> String {
            TLSWorkshop.messages(
                TLSWorkshop.configuration(listener: "certificate @/combined.pem; client-ca @/root.crt", backend: tls))
        }
        #expect(messages("ca @/root.crt; certificate @/meter.crt; key @/meter.key; ca @/root.crt").contains("twice"))
        #expect(messages("ca @/root.crt") == "")
        #expect(messages("ca @/nothing").contains(":3:"))
        #expect(messages("ca @/nothing").contains("error: there is no @/nothing\n"))
    }

    @Test func `what is read once is what is handed over`() throws {
        let files = TLSFiles(time: TLSWorkshop.time)
        var tls = Configuration.ListenerTLS()
        tls.certificates = [.init(path: "\(TLSWorkshop.directory)/shuffled.pem")]
        tls.keys = ["\(TLSWorkshop.directory)/server.key"]
        tls.clientAuthorities = "\(TLSWorkshop.directory)/clients.crt"
        tls.revocations = "\(TLSWorkshop.directory)/clients.crl"
        _ = files.judge(.listener(name: "m", tls))
        let material = try #require(files.listeners["m"])
        #expect(material.identities.map(\.chain.count) == [2])
        #expect(material.authorities.count == 1 && material.revocations.count == 1)
        // Put into the right order on the way.
        #expect(Certificate(encoded: material.identities[0].chain[0])?.facts.commonName == "broker.example.com")
        #expect(try TLSMaterial(parsing: material.encoded.span) == material)
        #expect(files.reports.map(\.block) == ["listen m"])
        #expect(files.reports[0].daysLeft(at: TLSWorkshop.time) == 4962)
        #expect(Set(files.stamps.keys).count == 4)
        #expect(files.currentStamps == files.stamps)
        var printed = ""
        dump(material, to: &printed)
        #expect(printed.utf8.count < 200)
    }

    @Test func `handed over bytes that are not material are refused`() throws {
        let whole = Array("UTM1".utf8) + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(Self.parsed(whole) == TLSMaterial())
        for count in 0..<whole.count { #expect(Self.parsed(Array(whole.prefix(count))) == nil) }
        #expect(Self.parsed(whole + [0]) == nil)
        var huge = whole
        huge[4] = 0xFF
        #expect(Self.parsed(huge) == nil)
    }

    private static func parsed(_ bytes: [UInt8]) -> TLSMaterial? { try? TLSMaterial(parsing: bytes.span) }

    @Test func `the facts of a certificate are what it says`() throws {
        let bytes = try File.read("\(TLSWorkshop.directory)/server.crt", limit: 65_536)
        let certificate = try #require(PEMFile(parsing: bytes).certificates.first)
        let facts = certificate.facts
        #expect(facts.subject == "CN=broker.example.com,O=Example")
        #expect(facts.issuer == "CN=Middle,O=Example")
        #expect(facts.commonName == "broker.example.com")
        #expect(facts.alternativeNames == ["broker.example.com", "*.devices.example.com", "127.0.0.1"])
        #expect(facts.fingerprint.utf8.count == 64)
        #expect(facts.serial.allSatisfy { $0.isHexDigit && !$0.isLowercase })
        #expect(facts.validity == 1_577_836_800...2_208_988_800)
        #expect(certificate.serverNames == ["broker.example.com", "*.devices.example.com"])
    }
}
