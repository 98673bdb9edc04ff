// Sessions that are resumed, and those that must not be: over TLS 1.2 and 1.3, with tickets and without.

import Linux
import Synchronization
import TLS
import Testing
import Wire

@Suite("A listener's session", .serialized)
struct TLSResumptionTests {
    /// A clock that is moved by hand, in seconds since 1970.
    private final class HandClock: Sendable {
        private let time = Mutex(Clock.wallMicroseconds / 1_000_000)
        var now: Int64 { time.withLock { $0 } }
        func advance(by seconds: Int64) { time.withLock { $0 += seconds } }
    }

    private let plain = "certificate @/combined.pem; client-ca @/root.crt; client-certificate none"
    private let mutual = "certificate @/combined.pem; client-ca @/clients.crt"

    /// A file for openssl's client to keep its session in.
    private func sessionFile() -> String {
        "\(TLSWorkshop.directory)/session-\(UInt32.random(in: 0 ... .max))"
    }

    private func showing(_ name: String) -> [String] {
        ["-cert", "\(TLSWorkshop.directory)/\(name).crt", "-key", "\(TLSWorkshop.directory)/\(name).key"]
    }

    /// Whether a session begun with `first` is resumed with `second`.
    private func resumes(
        _ first: TLSContext, _ second: TLSContext, _ arguments: [String], between: () -> Void = {}
    ) throws -> Bool {
        let file = sessionFile()
        let server = try TLSServer(first)
        let begun = try #require(try server.told(arguments + ["-sess_out", file]), "\(server.outcomes)")
        #expect(begun.contains(" full "))
        between()
        server.context = second
        let again = try #require(try server.told(arguments + ["-sess_in", file]), "\(server.outcomes)")
        return again.contains(" resumed ")
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `is resumed by ticket, by the same context and by another with the same secret`(_ version: String) throws {
        let context = try TLSWorkshop.context(listener: plain)
        #expect(try resumes(context, context, [version]))
        // The other host, or the balancer that follows a dead one.
        #expect(try resumes(context, TLSWorkshop.context(listener: plain), [version]))
        // Another certificate, as after a renewal.
        #expect(try resumes(context, TLSWorkshop.context(listener: "certificate @/rsa.pem"), [version]))
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `is not resumed under another secret`(_ version: String) throws {
        let other = try TLSWorkshop.context(
            listener: plain, secret: .init(repeating: 8, count: TicketKeys.secretCount))
        #expect(try !resumes(TLSWorkshop.context(listener: plain), other, [version]))
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `keeps its client's certificate`(_ version: String) throws {
        let context = try TLSWorkshop.context(listener: mutual)
        let server = try TLSServer(context)
        let file = sessionFile()
        _ = try server.told([version] + showing("meter") + ["-sess_out", file])
        server.context = try TLSWorkshop.context(listener: mutual)
        // Nothing is shown again: what the ticket says is what was verified then.
        #expect(try server.told([version, "-sess_in", file])?.contains("resumed client=meter-7 verified") == true)
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `is not resumed where other things are asked of clients`(_ version: String) throws {
        let policies = [
            mutual, mutual + "; client-certificate optional", mutual + "; client-certificate optional-unverified",
            mutual + "; verify-depth 1", mutual + "; crl @/clients.crl", "certificate @/combined.pem",
        ]
        for (index, first) in policies.enumerated() {
            for (other, second) in policies.enumerated() {
                let resumed = try resumes(
                    TLSWorkshop.context(listener: first), TLSWorkshop.context(listener: second),
                    [version] + showing("meter"))
                #expect(resumed == (index == other), "\(first) / \(second)")
            }
        }
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `of a stranger does not get past a listener that requires a certificate`(_ version: String) throws {
        let file = sessionFile()
        let server = try TLSServer(TLSWorkshop.context(listener: plain))
        _ = try server.told([version, "-sess_out", file])
        server.context = try TLSWorkshop.context(listener: mutual)
        #expect(try server.told([version, "-sess_in", file]) == nil)
        #expect(server.outcomes.last?.error?.kind == .noCertificate)
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `is resumed until its timeout, counted from the full handshake`(_ version: String) throws {
        let clock = HandClock()
        let context = try TLSWorkshop.context(listener: plain + "; session-timeout 10m", clock: { clock.now })
        #expect(try resumes(context, context, [version]) { clock.advance(by: 599) })
        #expect(try !resumes(context, context, [version]) { clock.advance(by: 601) })

        // Resuming does not begin a new term.
        let server = try TLSServer(context)
        let files = [sessionFile(), sessionFile()]
        _ = try server.told([version, "-sess_out", files[0]])
        clock.advance(by: 400)
        #expect(try server.told([version, "-sess_in", files[0], "-sess_out", files[1]])?.contains("resumed") == true)
        clock.advance(by: 400)
        // TLS 1.2 goes on with the ticket it has, TLS 1.3 got a new one.
        let newest = version == "-tls1_3" ? files[1] : files[0]
        #expect(try server.told([version, "-sess_in", newest])?.contains("full") == true)
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `is resumed in the next epoch, and by a host whose clock is a little late`(_ version: String) throws {
        let clock = HandClock()
        let timely = try TLSWorkshop.context(listener: plain + "; session-timeout 3h", clock: { clock.now })
        let late = try TLSWorkshop.context(listener: plain + "; session-timeout 3h", clock: { clock.now - 1800 })
        for _ in 0..<6 {
            clock.advance(by: 3600)
            #expect(try resumes(timely, late, [version]))
            #expect(try resumes(late, timely, [version]))
            #expect(try resumes(timely, timely, [version]) { clock.advance(by: 3 * 3600 - 1) })
        }
        #expect(try !resumes(timely, timely, [version]) { clock.advance(by: 7 * 3600) })
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `without tickets is resumed from the memory of its context`(_ version: String) throws {
        let context = try TLSWorkshop.context(listener: plain + "; tickets off; session-cache 100")
        #expect(try resumes(context, context, [version]))
        #expect(context.rememberedSessions > 0)
        let none = try TLSWorkshop.context(listener: plain + "; tickets off; session-cache 0")
        let server = try TLSServer(none)
        let output = try server.client([version])
        #expect(output.contains("TOLD"))
        #expect(!output.contains("TLS session ticket:"))
    }

    @Test func `of a client that takes no tickets is remembered, up to the bound`() throws {
        let context = try TLSWorkshop.context(listener: plain + "; session-cache 3")
        #expect(try resumes(context, context, ["-tls1_2", "-no_ticket"]))
        let server = try TLSServer(context)
        for _ in 0..<6 { _ = try server.told(["-tls1_2", "-no_ticket"]) }
        #expect(context.rememberedSessions <= 3)
        #expect(context.evictedSessions > 0)
    }

    @Test func `is not remembered beyond the certificate that its client has shown`() throws {
        let settings = "certificate @/combined.pem; client-ca @/clients.crt; client-certificate optional-unverified; tickets off"
        let context = try TLSWorkshop.context(listener: settings + "; session-cache 10")
        #expect(try resumes(context, context, ["-tls1_2"] + showing("meter")))
        // Let in all the same, each time by a full handshake.
        #expect(try !resumes(context, context, ["-tls1_2"] + showing("late")))
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `does not begin with certificates of any length`(_ version: String) throws {
        let context = try TLSWorkshop.context(
            listener: "certificate @/combined.pem; client-ca @/clients.crt; client-certificate optional-unverified")
        let server = try TLSServer(context)
        #expect(try server.told([version] + showing("meter")) != nil)
        #expect(try server.told([version] + showing("endless")) == nil)
        #expect(server.outcomes.last?.error?.kind == .malformed)
    }

    @Test func `ticket keys differ by secret, policy and epoch, and an epoch outlasts a ticket`() throws {
        let keys = { (secret: UInt8, policy: UInt8) in
            TicketKeys(
                secret: .init(repeating: secret, count: TicketKeys.secretCount), policy: [policy], lifetime: 86_400)
        }
        #expect(keys(1, 1) == keys(1, 1))
        #expect(keys(1, 1) != keys(2, 1) && keys(1, 1) != keys(1, 2))
        var printed = ""
        dump(keys(1, 1), to: &printed)
        #expect(!printed.contains("["))
        #expect(try TLSDialogue.secret.ticketSecret() == TLSDialogue.secret.ticketSecret())
        #expect(try TLSDialogue.secret.ticketSecret() != TLSDialogue.otherSecret.ticketSecret())
    }
}
