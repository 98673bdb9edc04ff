// The PROXY header a server gets before anything else: what is known of the client, in the form the backend asks for.

import Configuration
import ProxyProtocol
import TLS
import Wire

/// Makes PROXY headers out of facts.
enum ProxyGreeting {
    /// The header for a client's connection.
    ///
    /// - Parameters:
    ///   - client: whom the session is from.
    ///   - facts: what else is known; without a destination the header says that the addresses are unknown.
    ///   - uniqueID: the session's identifier, when the client came with none.
    /// - Returns: the header, and how many fields were left out to keep it short.
    /// - Throws: why it cannot be written: a control character in a name, above all.
    static func header(
        _ sending: Configuration.ProxySending, client: SocketAddress, _ facts: SessionFacts, uniqueID: String
    ) throws(ProxyHeaderDraft.Refusal) -> (bytes: [UInt8], dropped: Int) {
        var draft = ProxyHeaderDraft(
            facts.destination.map { .internet(source: client, destination: $0) } ?? .unknown)
        if sending.version == 1 { return (draft.encodeV1(), 0) }
        let fields = sending.fields
        if !fields.isDisjoint(with: [.ssl, .commonName, .cipher]), let tls = facts.tls {
            var ssl = ProxyHeaderDraft.SSL(client: 1, verify: tls.isVerified ? 0 : 1)
            // 2: shown on this connection; 4: shown in this TLS session, which may be an older one that was resumed.
            if tls.certificate != nil { ssl.client |= tls.isResumed ? 4 : 6 }
            if !tls.version.isEmpty { ssl.version = Array(tls.version.utf8) }
            if fields.contains(.commonName), let name = tls.certificate?.commonName, !name.isEmpty {
                ssl.commonName = Array(name.utf8)
            }
            if fields.contains(.cipher), !tls.cipher.isEmpty { ssl.cipher = Array(tls.cipher.utf8) }
            draft.ssl = ssl
        }
        if fields.contains(.authority), let name = facts.serverName ?? facts.tls?.serverName {
            draft.authority = Array(name.utf8)
        }
        if fields.contains(.alpn), let name = facts.tls?.applicationProtocol { draft.alpn = Array(name.utf8) }
        if fields.contains(.uniqueID) { draft.uniqueID = facts.uniqueID ?? Array(uniqueID.utf8) }
        draft.isChecked = fields.contains(.checksum)
        let encoded = try draft.encodeV2()
        return (encoded.bytes, encoded.dropped.count)
    }

    /// The header of a health check; empty: it has none.
    ///
    /// - Parameters:
    ///   - local: this end of the check's connection.
    ///   - server: the other end.
    static func check(
        _ sending: Configuration.ProxySending?, _ header: Configuration.CheckHeader, local: SocketAddress?,
        server: SocketAddress
    ) -> [UInt8] {
        guard let sending, header != .none else { return [] }
        var draft = ProxyHeaderDraft(.local)
        if header == .addresses, let local { draft = ProxyHeaderDraft(.internet(source: local, destination: server)) }
        if sending.version == 1 { return draft.encodeV1() }
        draft.isChecked = sending.fields.contains(.checksum)
        do {
            return try draft.encodeV2().bytes
        } catch {
            preconditionFailure("two addresses do not fit a PROXY header: \(error)")
        }
    }
}
