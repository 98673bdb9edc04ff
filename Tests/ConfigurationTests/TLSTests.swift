// tls blocks: what they mean, how they are compared, shown and judged.

import Testing
import Wire

@testable import Configuration

@Suite("tls blocks")
struct TLSTests {
    @Test func `mean what every directive says`() throws {
        let configuration = try Files.good(Files.encryption)
        #expect(configuration.listeners[0].tls == nil)
        let tls = try #require(configuration.listeners[1].tls)
        #expect(tls.certificates.map(\.path) == ["/a.pem", "/b b.pem"])
        #expect(tls.certificates.map(\.isDefault) == [false, true])
        #expect(tls.directories == ["/certs"])
        #expect(tls.keys == ["/a.key"])
        #expect(tls.clientAuthorities == "/ca.pem")
        #expect(tls.clientCertificate == .optional)
        #expect(tls.verifyDepth == 7)
        #expect(tls.revocations == "/crl.pem")
        #expect(tls.minimumVersion == .v1_3 && tls.maximumVersion == .v1_3)
        #expect(tls.ciphers == "HIGH:!aNULL:!MD5")
        #expect(tls.suites == "TLS_AES_128_GCM_SHA256")
        #expect(tls.groups == "X25519")
        #expect(tls.applicationProtocols == .names(["mqtt", "x-amzn-mqtt-ca"]))
        #expect(tls.unknownServerName == .refuse)
        #expect(tls.sessionTimeout == .seconds(600))
        #expect(!tls.tickets)
        #expect(tls.sessionCache == 40 * 1024)
        #expect(tls.handshakeTimeout == .seconds(3))
        #expect(tls.records == .openssl)
        let server = try #require(configuration.backends[0].tls)
        #expect(server.verifies)
        #expect(server.authorities == .file("/ca.pem"))
        #expect(server.serverName == "broker.example.com")
        #expect(server.certificate == "/me.pem" && server.key == "/me.key")
        #expect(server.minimumVersion == .v1_3)
        #expect(server.records == .openssl)
    }

    @Test func `an authority alone means that a certificate is required`() throws {
        let configuration = try Files.good(Files.encryption)
        #expect(configuration.listeners[2].tls?.clientCertificate == .required)
    }

    @Test func `an authority alone is enough for identities from certificates`() throws {
        _ = try Files.good(
            """
            listen m { bind *:8883; use b; tls { certificate /a; client-ca /ca }; rewrite client-id from certificate-cn }
            backend b { server s 192.168.0.2:1883 }
            """)
    }

    @Test func `are written as they are read`() throws {
        let configuration = try Files.good(Files.encryption)
        #expect(try Files.good(configuration.text) == configuration)
    }

    @Test func `have the defaults the table tells`() throws {
        let configuration = try Files.good(
            "listen m { bind *:8883; use b; tls { certificate /a } }\nbackend b { server s 192.168.0.2:1883; tls { } }")
        let blocks = configuration.blocks.filter { $0.context == .listenTLS || $0.context == .backendTLS }
        #expect(blocks.map(\.title) == ["listen m tls", "backend b tls"])
        for setting in blocks.flatMap(\.settings) where setting.directive != .tlsCertificate {
            let expected = setting.directive.defaultText.map { [$0] } ?? []
            #expect(setting.arguments == expected, "\(setting.directive.name)")
        }
    }

    @Test func `are compared setting by setting`() throws {
        let old = try Files.good(Files.encryption)
        let new = try Files.good(
            Files.encryption.replacing("session-timeout 10m", with: "session-timeout 20m").replacing(
                "; tls { certificate /c.pem; client-ca /ca.pem }", with: ""))
        #expect(
            Configuration.Difference(from: old, to: new).text == """
                listen b tls: removed (applies to new sessions)
                listen a tls: session-timeout was 10m, is 20m (applies to new sessions)

                """)
    }

    @Test func `are explained and stand in the JSON`() throws {
        let configuration = try Files.good(Files.encryption)
        let text = Explanation(configuration).text
        for sentence in [
            "TLS 1.3; certificates, chosen by name: /a.pem, /b b.pem, all of /certs.",
            "Clients may show a certificate; one that /ca.pem does not vouch for keeps them out.",
            "Clients must show a certificate that /ca.pem vouches for.",
            "A session may be resumed for 10m, on this host only.",
            "a server must show a certificate for broker.example.com that /ca.pem vouches for.",
        ] { #expect(text.contains(sentence), "\(sentence)\n\(text)") }
        let listeners = Explanation(configuration).json["listen"]?.array
        #expect(listeners?[1]["tls"]?["verify-depth"]?.string == "7")
        #expect(listeners?[0]["tls"] == nil)
    }

    @Test func `are judged once each, and findings get their places`() {
        var asked: [String] = []
        let text = """
            listen m { bind *:8883; use b
                tls { certificate /a; certificate /b } }
            backend b { server s 192.168.0.2:1883; tls { } }
            """
        let outcome = Checker.check(
            Source(name: "test.conf", text: text), as: Host(),
            judge: { question in
                switch question {
                case .listener(let name, let tls):
                    asked.append(name)
                    return [TLSFinding(.error, "certificate", at: 1, "no \(tls.certificates[1].path)", help: "make it")]
                case .backend(let name, _):
                    asked.append(name)
                    return [TLSFinding(.warning, "ca", "no roots")]
                }
            })
        #expect(asked == ["m", "b"])
        #expect(outcome.configuration == nil)
        #expect(
            outcome.text == """
                test.conf:2:39: error: no /b
                    2 |     tls { certificate /a; certificate /b } }
                      |                                       ^~
                      = make it

                test.conf:3:40: warning: no roots
                    3 | backend b { server s 192.168.0.2:1883; tls { } }
                      |                                        ^~~

                """)
    }

    @Test func `with a mistake inside are not judged`() {
        let text = "listen m { bind *:8883; use b; tls { certificate } }\nbackend b { server s 192.168.0.2:1883 }"
        let outcome = Checker.check(
            Source(name: "test.conf", text: text), as: Host(),
            judge: { _ in [TLSFinding(.error, "certificate", "never asked")] })
        #expect(outcome.diagnostics.map(\.message) == ["certificate lacks FILE"])
    }
}
