// A PROXY header as it was read: whom the connection is from, and where the rest stands.

package import Wire

/// A valid header of the PROXY protocol, version 1 or 2 (haproxy, doc/proxy-protocol.txt).
///
/// Numbers, addresses and ranges into the header, whose bytes stay with whoever received them. ``ProxyHeaderDraft``
/// copies the fields out. It is believed only from senders that the configuration trusts: whether a header comes at all
/// is settled for each listener and never guessed.
package struct ProxyHeader: Equatable, Sendable {
    /// The two forms: a line of text, and binary.
    package enum Version: UInt8, CaseIterable, Sendable { case v1 = 1, v2 }

    /// Whom the connection is from and to.
    package enum Endpoints: Hashable, Sendable {
        /// What the socket says: LOCAL (a check of the sender), `UNKNOWN`, and a family the sender did not name.
        case connection
        case internet(source: SocketAddress, destination: SocketAddress)
        /// Paths of 108 bytes each, padded with zeros.
        case unix(source: Range<Int>, destination: Range<Int>)
    }

    /// What the sender knows of the client's TLS (type 0x20).
    package struct SSL: Equatable, Sendable {
        /// 1: over TLS; 2: the client gave a certificate on this connection; 4: at least once in this TLS session.
        package var client: UInt8
        /// 0: the certificate was verified.
        package var verify: UInt32
        package var version: Range<Int>?
        package var commonName: Range<Int>?
        package var cipher: Range<Int>?
        package var signatureAlgorithm: Range<Int>?
        package var keyAlgorithm: Range<Int>?
        package var group: Range<Int>?
        package var signatureScheme: Range<Int>?
        /// The client's certificate (DER).
        package var clientCertificate: Range<Int>?

        /// Whether the client proved on this connection or in this session who it is: only then the names mean anything.
        package var isVerified: Bool { client & 6 != 0 && verify == 0 }
    }

    package let version: Version
    /// The whole header, in bytes; what follows belongs to the client.
    package let length: Int
    /// The sender speaks for itself (LOCAL), as its checks do.
    package internal(set) var isLocal = false
    /// The sender took datagrams, not a stream.
    package internal(set) var isDatagram = false
    package internal(set) var endpoints = Endpoints.connection
    /// All TLVs together, for ``TLVWalk``; empty in version 1 and for LOCAL.
    package internal(set) var tlvs = 0..<0
    package internal(set) var alpn: Range<Int>?
    /// The host name the client asked for (SNI).
    package internal(set) var authority: Range<Int>?
    /// At most 128 bytes.
    package internal(set) var uniqueID: Range<Int>?
    package internal(set) var ssl: SSL?
    package internal(set) var networkNamespace: Range<Int>?
    /// A checksum was there, and it is right.
    package internal(set) var isChecked = false

    init(version: Version, length: Int) {
        self.version = version
        self.length = length
    }

    /// The client's address, an IPv4 address never dressed as IPv6; nil: the socket's own is the client's.
    package var client: SocketAddress? {
        guard case .internet(var source, _) = endpoints else { return nil }
        source.address = source.address.unmapped
        return source
    }

    /// A copy of a field's bytes; `header` holds the bytes the header was read from, from the first.
    package static func bytes(_ field: Range<Int>, in header: Span<UInt8>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(field.count)
        for index in field { copy.append(header[index]) }
        return copy
    }
}
