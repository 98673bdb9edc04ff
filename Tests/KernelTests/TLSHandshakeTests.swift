// Handshakes with openssl's own client: versions, ciphers, chains, names, client certificates, ALPN, alerts.

import Linux
import TLS
import Testing
import Wire

@Suite("A listener's handshake", .serialized)
struct TLSHandshakeTests {
    private func server(_ tls: String) throws -> TLSServer { try TLSServer(TLSWorkshop.context(listener: tls)) }
    private var directory: String { TLSWorkshop.directory }
    private let plain = "certificate @/combined.pem; client-ca @/root.crt; client-certificate none"

    // MARK: Versions, ciphers, chains

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `is TLS 1.2 or 1.3 by default`(_ version: String) throws {
        let told = try #require(try server(plain).told([version]))
        #expect(told.hasPrefix(version == "-tls1_2" ? "TLSv1.2 " : "TLSv1.3 "))
        #expect(told.contains(" full "))
    }

    @Test(arguments: ["-tls1", "-tls1_1"])
    func `is no older version unless it is asked for`(_ version: String) throws {
        let old = [version, "-cipher", "ALL:@SECLEVEL=0"]
        let refusing = try server(plain)
        #expect(try refusing.client(old).contains("alert protocol version"))
        #expect(refusing.outcomes.last?.error?.kind == .noAgreement)
        let taking = try server(plain + "; minimum-version 1.0; ciphers HIGH:!aNULL:!MD5")
        #expect(try taking.told(old)?.hasPrefix(version == "-tls1" ? "TLSv1 " : "TLSv1.1 ") == true)
    }

    @Test func `keeps to its versions`() throws {
        #expect(try server(plain + "; minimum-version 1.3").told(["-tls1_2"]) == nil)
        #expect(try server(plain + "; maximum-version 1.2").told([])?.hasPrefix("TLSv1.2") == true)
    }

    @Test func `keeps to its ciphers, suites and groups`() throws {
        let server = try server(
            plain + "; ciphers ECDHE-ECDSA-AES256-GCM-SHA384; suites TLS_CHACHA20_POLY1305_SHA256; groups P-384")
        #expect(try server.told(["-tls1_2"])?.contains(" ECDHE-ECDSA-AES256-GCM-SHA384 ") == true)
        #expect(try server.told(["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]) == nil)
        #expect(server.outcomes.last?.error?.kind == .noAgreement)
        let output = try server.client(["-tls1_3"])
        #expect(output.contains("TLS_CHACHA20_POLY1305_SHA256"))
        #expect(output.contains("Server Temp Key: ECDH, secp384r1") || output.contains("prime384"), "\(output)")
        #expect(try server.told(["-tls1_3", "-groups", "X25519"]) == nil)
    }

    @Test func `offers nothing weak, compressed or renegotiated by default`() throws {
        let server = try server(plain)
        for weak in ["AES128-SHA:@SECLEVEL=0", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "eNULL:@SECLEVEL=0"] {
            #expect(try server.told(["-tls1_2", "-cipher", weak]) == nil, "\(weak)")
        }
        let output = try server.client(["-tls1_2"])
        #expect(output.contains("Compression: NONE"))
    }

    @Test(arguments: ["certificate @/combined.pem", "certificate @/shuffled.pem; key @/server.key"])
    func `sends the whole chain in its order`(_ tls: String) throws {
        let output = try server(tls + "; client-ca @/root.crt; client-certificate none").client([
            "-showcerts", "-CAfile", "\(directory)/root.crt", "-verify_return_error",
        ])
        #expect(output.contains("Verify return code: 0 (ok)"))
        #expect(output.ranges(of: "-----BEGIN CERTIFICATE-----").count == 2)
    }

    // MARK: Names

    @Test(arguments: [
        ("broker.example.com", "broker.example.com"), ("BROKER.example.com", "broker.example.com"),
        ("other.example.net", "other.example.net"), ("a.devices.example.com", "broker.example.com"),
        ("a.b.devices.example.com", "other.example.net"), ("devices.example.com", "other.example.net"),
        ("unknown.example.org", "other.example.net"),
    ])
    func `chooses its certificate by name: exact, wildcard of one label, default`(_ name: String, _ subject: String)
        throws
    {
        for version in ["-tls1_2", "-tls1_3"] {
            let output = try server("certificate @/combined.pem; certificate @/other.pem default").client([
                version, "-servername", name,
            ])
            #expect(output.contains("subject=") && output.contains("CN = \(subject)"), "\(output)")
            #expect(output.contains("name=\(name.lowercased())"))
        }
    }

    @Test func `gives the first certificate without a name, and refuses unknown names on request`() throws {
        let server = try server("certificate @/other.pem; certificate @/combined.pem; unknown-name refuse")
        #expect(try server.client(["-noservername"]).contains("CN = other.example.net"))
        #expect(try server.client(["-servername", "unknown.example.org"]).contains("unrecognized name"))
        #expect(try server.told(["-servername", "x.devices.example.com"]) != nil)
    }

    @Test func `serves RSA and EC certificates of one name to those who take them`() throws {
        let server = try server("certificate @/combined.pem; certificate @/rsa.pem; certificate @/other.pem default")
        for (algorithm, type) in [("ECDSA+SHA256", "ECDSA"), ("RSA+SHA256:RSA-PSS+SHA256", "RSA")] {
            let output = try server.client(["-servername", "broker.example.com", "-sigalgs", algorithm])
            #expect(output.contains("Peer signature type: \(type)"), "\(output)")
            #expect(output.contains("CN = broker.example.com"))
        }
    }

    @Test func `takes certificates from a directory`() throws {
        let server = try server("certificates @/many; client-ca @/root.crt; client-certificate none")
        for name in ["broker.example.com", "other.example.net"] {
            #expect(try server.client(["-servername", name]).contains("CN = \(name)"))
        }
    }

    // MARK: Client certificates

    /// openssl's arguments for showing a certificate.
    private func showing(_ name: String, chain: String? = nil) -> [String] {
        ["-cert", "\(directory)/\(name).crt", "-key", "\(directory)/\(name).key"]
            + (chain.map { ["-cert_chain", "\(directory)/\($0)"] } ?? [])
    }

    private let mutual = "certificate @/combined.pem; client-ca @/clients.crt"

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `that requires a client certificate takes good ones only`(_ version: String) throws {
        let server = try server(mutual)
        let told = try #require(try server.told([version] + showing("meter")))
        #expect(told.contains("client=meter-7 verified"))
        let facts = try #require(server.outcomes.last?.facts?.certificate)
        #expect(facts.subject == "CN=meter-7,O=Example")
        let output = try server.client([version])
        #expect(!output.contains("TOLD"))
        #expect(
            output.contains("alert") && output.contains(version == "-tls1_3" ? "certificate required" : "handshake"))
        #expect(server.outcomes.last?.error?.kind == .noCertificate)
        #expect(output.contains("Acceptable client certificate CA names") && output.contains("CN = Clients"))
        #expect(try server.client([version] + showing("stranger")).contains("alert unknown ca"))
        #expect(server.outcomes.last?.error?.kind == .untrusted)
        #expect(try server.client([version] + showing("late")).contains("alert certificate expired"))
        #expect(server.outcomes.last?.error?.reason == "certificate has expired")
    }

    @Test func `that makes a client certificate optional lets none in, and no bad one`() throws {
        let server = try server(mutual + "; client-certificate optional")
        #expect(try server.told([])?.contains("client=- unverified") == true)
        #expect(try server.told(showing("meter"))?.contains("client=meter-7 verified") == true)
        #expect(try server.told(showing("stranger")) == nil)
    }

    @Test func `that verifies no client certificate says so`() throws {
        let server = try server(mutual + "; client-certificate optional-unverified")
        #expect(try server.told([])?.contains("client=- unverified") == true)
        #expect(try server.told(showing("stranger"))?.contains("client=stranger unverified") == true)
        #expect(try server.told(showing("meter"))?.contains("client=meter-7 unverified") == true)
    }

    @Test func `refuses what its revocation list names`() throws {
        let server = try server(mutual + "; crl @/clients.crl")
        #expect(try server.told(showing("meter")) != nil)
        #expect(try server.client(showing("gone")).contains("alert certificate revoked"))
        #expect(try self.server(mutual).told(showing("gone")) != nil)
    }

    @Test func `counts intermediate certificates`() throws {
        let base = "certificate @/combined.pem; client-ca @/root.crt; client-certificate required; verify-depth "
        #expect(try server(base + "2").told(showing("deep", chain: "deep.pem")) != nil)
        let server = try server(base + "1")
        #expect(try server.told(showing("deep", chain: "deep.pem")) == nil)
        #expect(server.outcomes.last?.error?.reason.contains("chain too long") == true, "\(server.outcomes)")
    }

    // MARK: ALPN

    @Test func `agrees on mqtt with those who offer it, and lets others in`() throws {
        let server = try server(plain)
        #expect(try server.told(["-alpn", "h2,mqtt"])?.contains("alpn=mqtt") == true)
        #expect(try server.told(["-alpn", "h2"])?.contains("alpn=-") == true)
        #expect(try server.told([])?.contains("alpn=-") == true)
        #expect(try self.server(plain + "; alpn off").told(["-alpn", "mqtt"])?.contains("alpn=-") == true)
    }

    @Test func `insists on the protocols it names, in its own order`() throws {
        let server = try server(plain + "; alpn x-amzn-mqtt-ca,mqtt")
        #expect(try server.told(["-alpn", "mqtt,x-amzn-mqtt-ca"])?.contains("alpn=x-amzn-mqtt-ca") == true)
        #expect(try server.client(["-alpn", "h2"]).contains("alert no application protocol"))
    }
}
