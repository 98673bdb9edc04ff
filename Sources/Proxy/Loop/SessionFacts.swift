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
    /// The user name of the CONNECT.
    var username: [UInt8] = []
}
