// What a PROXY header of a trusted sender says of the client behind it.

import ProxyProtocol
import TLS
import Wire

extension SessionFacts {
    /// Takes over what a header says besides the client's own address.
    ///
    /// Text that is not UTF-8, or has control characters in it, is not taken: it would go on into headers, identities and
    /// logs.
    ///
    /// - Parameter bytes: what the header was read from, from its first byte.
    mutating func learn(_ header: ProxyHeader, in bytes: Span<UInt8>) {
        func text(_ field: Range<Int>?) -> String? {
            guard let field, !field.isEmpty,
                let text = String(validating: ProxyHeader.bytes(field, in: bytes), as: UTF8.self),
                text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else { return nil }
            return text
        }
        if case .internet(_, var destination) = header.endpoints, !header.isDatagram {
            destination.address = destination.address.unmapped
            self.destination = destination
        }
        serverName = text(header.authority)?.lowercased()
        uniqueID = header.uniqueID.map { ProxyHeader.bytes($0, in: bytes) }
        guard let ssl = header.ssl, ssl.client & 1 != 0 else { return }
        var facts = TLSFacts(
            version: text(ssl.version) ?? "", cipher: text(ssl.cipher) ?? "", serverName: serverName,
            applicationProtocol: text(header.alpn), isResumed: ssl.client & 6 == 4, isVerified: ssl.isVerified)
        if ssl.client & 6 != 0 {
            // The header tells the name alone; what it does not tell stays empty, and is missing where it is asked for.
            facts.certificate = CertificateFacts(
                subject: "", issuer: "", commonName: text(ssl.commonName) ?? "", serial: "", alternativeNames: [],
                fingerprint: "", validity: 0...0)
        }
        tls = facts
    }
}
