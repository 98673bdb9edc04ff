// Who a client is, as far as its edge has told: what routes, identities, PROXY headers and logs are made of.

import TLS
import Wire

/// What is known of a client besides its CONNECT, gathered by the stages before it.
struct SessionFacts: Sendable {
    /// The address the client connected to, as the kernel or a trusted PROXY header says.
    var destination: SocketAddress?
    /// The name the client asked for: SNI, or the authority of a trusted PROXY header.
    var serverName: String?
    /// The handshake with the client, when there was one.
    var tls: TLSFacts?
    /// The session's identifier, as a trusted PROXY header says; at most 128 bytes.
    var uniqueID: [UInt8]?
    /// The user name of the CONNECT, before it was rewritten; read when something depends on it.
    var username: [UInt8] = []
}
