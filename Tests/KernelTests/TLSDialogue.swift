// Two TLS sessions wired to each other in memory.

import TLS

/// A client and a server, and the bytes between them.
final class TLSDialogue {
    let client: TLSSession
    let server: TLSSession
    private(set) var clientError: TLSError?
    private(set) var serverError: TLSError?
    private(set) var fromClient: [UInt8] = []
    private(set) var fromServer: [UInt8] = []

    static let secret = sample(1)
    static let otherSecret = sample(77)

    /// A secret, another for each seed.
    private static func sample(_ seed: Int) -> PairSecret {
        let file = Array("\(PairSecret.word) \(digits(seed))".utf8)
        guard let secret = try? PairSecret(parsing: file) else { preconditionFailure("the sample is no secret") }
        return secret
    }

    /// 64 hexadecimal digits, others for each seed.
    static func digits(_ seed: Int) -> String {
        (0..<32).map { index in
            let octet = UInt8(truncatingIfNeeded: index &* 37 &+ seed)
            return (octet < 16 ? "0" : "") + String(octet, radix: 16)
        }.joined()
    }

    init(client: TLSSession, server: TLSSession) {
        self.client = client
        self.server = server
    }

    convenience init(client: TLSContext, server: TLSContext) throws {
        try self.init(client: TLSSession(client), server: TLSSession(server))
    }

    /// Dialler and answerer of the pair link; each side believes in its own secret and names.
    convenience init(
        clientSecret: PairSecret = secret, clientNames: (String, String) = ("anton", "berta"),
        serverSecret: PairSecret = secret, serverNames: (String, String) = ("anton", "berta")
    ) throws {
        try self.init(
            client: TLSContext(
                presharedKey: PresharedKey(clientSecret, client: clientNames.0, server: clientNames.1), role: .client),
            server: TLSContext(
                presharedKey: PresharedKey(serverSecret, client: serverNames.0, server: serverNames.1), role: .server))
    }

    /// Carries bytes both ways, in pieces of at most `piece` bytes, until nobody has any more to say.
    func run(piece: Int = 16_384) {
        while true {
            let toServer = client.takeCiphertext(limit: piece)
            let toClient = server.takeCiphertext(limit: piece)
            if toServer.isEmpty, toClient.isEmpty { return }
            if !toServer.isEmpty, serverError == nil { serverError = feed(server, toServer, &fromClient) }
            if !toClient.isEmpty, clientError == nil { clientError = feed(client, toClient, &fromServer) }
        }
    }

    private func feed(_ session: TLSSession, _ bytes: [UInt8], _ plaintext: inout [UInt8]) -> TLSError? {
        do throws(TLSError) {
            try session.receive(bytes.span)
            while true {
                let part = try session.readPlaintext()
                if part.isEmpty { return nil }
                plaintext += part
            }
        } catch {
            return error
        }
    }
}
