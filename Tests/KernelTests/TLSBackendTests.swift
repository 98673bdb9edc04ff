// Sessions with servers: who is believed, by what name, and what we show of ourselves.

import TLS
import Testing
import Wire

@Suite("A backend's session")
struct TLSBackendTests {
    private let address = IPAddress("127.0.0.1")

    /// Runs a session between a backend's context and a listener's.
    private func dialogue(_ backend: String, _ listener: String, at address: IPAddress?) throws -> TLSDialogue {
        let dialogue = try TLSDialogue(
            client: TLSSession(TLSWorkshop.context(backend: backend), to: address),
            server: TLSSession(TLSWorkshop.context(listener: listener)))
        dialogue.run()
        return dialogue
    }

    private let listener =
        "certificate @/other.pem; certificate @/combined.pem default; client-ca @/clients.crt"
        + "; client-certificate optional"

    @Test func `believes a server of its authority with the name that is asked for`() throws {
        let dialogue = try dialogue("ca @/root.crt; server-name other.example.net", listener, at: address)
        #expect(dialogue.client.state == .established && dialogue.server.state == .established)
        #expect(dialogue.client.facts?.certificate?.commonName == "other.example.net")
        #expect(dialogue.client.facts?.isVerified == true)
        #expect(dialogue.server.facts?.serverName == "other.example.net")
    }

    @Test func `believes a server with its address when no name is set`() throws {
        #expect(try dialogue("ca @/root.crt", listener, at: address).client.state == .established)
        let wrong = try dialogue("ca @/root.crt", listener, at: IPAddress("127.0.0.2"))
        #expect(wrong.clientError?.kind == .untrusted)
        #expect(wrong.clientError?.reason == "IP address mismatch")
        #expect(throws: TLSError.self) { try dialogue("ca @/root.crt", listener, at: nil) }
    }

    @Test func `refuses another name and another authority`() throws {
        let name = try dialogue("ca @/root.crt; server-name elsewhere.example.net", listener, at: address)
        #expect(name.clientError?.kind == .untrusted)
        #expect(name.clientError?.reason == "hostname mismatch")
        let authority = try dialogue("ca @/strangers.crt", listener, at: address)
        #expect(authority.clientError?.kind == .untrusted)
        #expect(authority.serverError?.kind == .refused)
    }

    @Test func `believes everybody when told to`() throws {
        let dialogue = try dialogue("verify none", listener, at: nil)
        #expect(dialogue.client.state == .established)
        #expect(dialogue.client.facts?.isVerified == false)
    }

    @Test func `shows its own certificate`() throws {
        let dialogue = try dialogue(
            "ca @/root.crt; certificate @/meter.crt; key @/meter.key",
            listener + "; verify-depth 2", at: address)
        #expect(dialogue.server.facts?.certificate?.commonName == "meter-7")
        #expect(dialogue.server.facts?.isVerified == true)
    }
}
