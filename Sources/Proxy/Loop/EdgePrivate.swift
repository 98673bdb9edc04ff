// What a transformed session has in this process alone.

import TLS
import WebSocket
import Wire

/// The part of an edge that is no plain data: OpenSSL's objects, and what is needed only until the relay begins.
final class EdgePrivate {
    /// A side's TLS session, once it has begun.
    var clientTLS: TLSSession?
    var serverTLS: TLSSession?
    /// The last step stopped before it had all plaintext of the side.
    var clientHolds = false
    var serverHolds = false
    /// Records of handshakes that were read from a side.
    private var handshakeRecords = (client: UInt32(0), server: UInt32(0))

    /// Reads the client's request while it is awaited.
    var request: UpgradeRequestReader?
    /// Reads the server's answer while it is awaited.
    var response: UpgradeResponseReader?
    /// The client's Host, and the chain of proxies it came through when those are trusted: told to servers.
    var host: String?
    var forwardedFor: String?
    /// The last of these, when the client is another one.
    var forwarder: IPAddress?
    /// How the server that is being tried is spoken to.
    var transport = ServerTransport()

    /// Forgets what is needed only until the relay begins.
    func settle() {
        request = nil
        response = nil
        host = nil
        forwardedFor = nil
        forwarder = nil
    }

    /// Another server is spoken to: its handshake is counted anew.
    func leaveServer() {
        serverTLS = nil
        serverHolds = false
        response = nil
        handshakeRecords.server = 0
    }

    /// Counts a record of a side's handshake; how many there were.
    func countRecord(client: Bool) -> UInt32 {
        if client { handshakeRecords.client += 1 } else { handshakeRecords.server += 1 }
        return client ? handshakeRecords.client : handshakeRecords.server
    }

    func tls(client: Bool) -> TLSSession? { client ? clientTLS : serverTLS }
    func holds(client: Bool) -> Bool { client ? clientHolds : serverHolds }
    func setHolds(client: Bool, _ holds: Bool) { if client { clientHolds = holds } else { serverHolds = holds } }
}
