// A PROXY header to be sent to a server.

package import Wire

/// A PROXY header as owned values, written as version 1 or 2.
///
/// A draft copied from a header of version 2 and written again says the same; of version 1 only the addresses are said.
/// What EMQX (esockd) takes is kept to: TLVs of exact length, no control characters in names, at most 500 bytes where
/// nothing else is asked for, and never a family it refuses unless the caller asks for ``Origin/unknown`` or
/// ``Origin/unix(source:destination:)``.
package struct ProxyHeaderDraft: Equatable, Sendable {
    /// Whom the connection is from.
    package enum Origin: Hashable, Sendable {
        /// From us: a check. Nothing else is written, though mosquitto 2.1 closes on it and wants real addresses.
        case local
        /// From somebody whose address is not known; EMQX refuses it in version 2.
        case unknown
        /// When the families differ both addresses are written as IPv6.
        case internet(source: SocketAddress, destination: SocketAddress)
        /// Paths of at most 108 bytes; EMQX refuses it.
        case unix(source: [UInt8], destination: [UInt8])
    }

    /// The client's TLS.
    package struct SSL: Equatable, Sendable {
        /// As in ``ProxyHeader/SSL/client``.
        package var client: UInt8
        /// 0: verified, or no certificate was given.
        package var verify: UInt32
        package var version: [UInt8]?
        package var commonName: [UInt8]?
        package var cipher: [UInt8]?
        package var signatureAlgorithm: [UInt8]?
        package var keyAlgorithm: [UInt8]?
        package var group: [UInt8]?
        package var signatureScheme: [UInt8]?
        package var clientCertificate: [UInt8]?

        package init(
            client: UInt8 = 1, verify: UInt32 = 0, version: [UInt8]? = nil, commonName: [UInt8]? = nil,
            cipher: [UInt8]? = nil
        ) {
            self.client = client
            self.verify = verify
            self.version = version
            self.commonName = commonName
            self.cipher = cipher
        }
    }

    /// A TLV of a type that is not in ``TLVType/named``.
    package struct TLV: Hashable, Sendable {
        package let type: UInt8
        package let value: [UInt8]

        package init(type: UInt8, value: [UInt8]) {
            precondition(!TLVType.named.contains(type), "a TLV that has a name of its own")
            self.type = type
            self.value = value
        }
    }

    /// Bytes of the longest unique identifier.
    package static let longestUniqueID = 128

    package var origin: Origin
    package var isDatagram = false
    package var alpn: [UInt8]?
    package var authority: [UInt8]?
    /// At most ``longestUniqueID`` bytes.
    package var uniqueID: [UInt8]?
    package var ssl: SSL?
    package var networkNamespace: [UInt8]?
    package var others: [TLV] = []
    /// Whether a CRC-32C is written, as the last TLV.
    package var isChecked = false

    package init(_ origin: Origin) { self.origin = origin }

    /// The fields of `header` copied out of the `bytes` it was read from.
    package init(_ header: ProxyHeader, in bytes: Span<UInt8>) {
        func copy(_ field: Range<Int>?) -> [UInt8]? { field.map { ProxyHeader.bytes($0, in: bytes) } }
        func path(_ field: Range<Int>) -> [UInt8] {
            let padded = ProxyHeader.bytes(field, in: bytes)
            return Array(padded[..<(padded.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0)])
        }
        origin =
            switch header.endpoints {
            case .connection: header.isLocal ? .local : .unknown
            case .internet(let source, let destination): .internet(source: source, destination: destination)
            case .unix(let source, let destination): .unix(source: path(source), destination: path(destination))
            }
        isDatagram = header.isDatagram
        alpn = copy(header.alpn)
        authority = copy(header.authority)
        uniqueID = copy(header.uniqueID)
        networkNamespace = copy(header.networkNamespace)
        isChecked = header.isChecked
        if let given = header.ssl {
            var ssl = SSL(
                client: given.client, verify: given.verify, version: copy(given.version),
                commonName: copy(given.commonName), cipher: copy(given.cipher))
            ssl.signatureAlgorithm = copy(given.signatureAlgorithm)
            ssl.keyAlgorithm = copy(given.keyAlgorithm)
            ssl.group = copy(given.group)
            ssl.signatureScheme = copy(given.signatureScheme)
            ssl.clientCertificate = copy(given.clientCertificate)
            self.ssl = ssl
        }
        var walk = TLVWalk(header.tlvs)
        // The reader has walked them before: nothing is thrown here.
        while let item = try? walk.next(in: bytes) {
            guard !TLVType.named.contains(item.type) else { continue }
            others.append(TLV(type: item.type, value: ProxyHeader.bytes(item.value, in: bytes)))
        }
    }
}
