// The configuration's values for the PROXY protocol: whom to believe, and what to tell the servers.

package import Wire

extension Configuration {
    /// `proxy-protocol accept from NETWORK… [require|optional]`: headers of the PROXY protocol in front of what clients
    /// send (haproxy, doc/proxy-protocol.txt).
    package struct ProxyAcceptance: Hashable, Sendable {
        /// The networks whose hosts are believed; each of their connections must begin with a header.
        package var networks: [IPPrefix]
        /// Connections from elsewhere are clients of their own; `false`: they are refused.
        package var isOptional = false

        package init(networks: [IPPrefix]) { self.networks = networks }

        /// Whether a connection from this address must begin with a header.
        package func trusts(_ address: IPAddress) -> Bool { networks.contains { $0.contains(address) } }
    }

    /// `proxy-protocol v1|v2 …`: the header each connection to a server begins with.
    package struct ProxySending: Hashable, Sendable {
        /// 1: a line of text; 2: binary.
        package var version: UInt8
        /// What version 2 tells besides the addresses, in the order of the file's grammar.
        package var fields: Set<Field> = []

        package init(version: UInt8) { self.version = version }

        /// One thing a header of version 2 can tell.
        package enum Field: String, Hashable, Sendable, CaseIterable {
            /// Whether the client came over TLS, with a certificate, and whether that was verified.
            case ssl
            /// The common name of the client's certificate; ``ssl`` is told too.
            case commonName = "cn"
            /// The cipher suite; ``ssl`` is told too.
            case cipher
            /// The host name the client asked for (SNI).
            case authority
            /// The application protocol agreed on.
            case alpn
            /// An identifier of the session.
            case uniqueID = "unique-id"
            /// A checksum over the header.
            case checksum = "crc32c"
        }
    }

    /// `check-proxy-protocol local|addresses|none`: the header that health checks begin with.
    package enum CheckHeader: String, Hashable, Sendable, CaseIterable {
        /// From nobody: LOCAL in version 2, UNKNOWN in version 1.
        case local
        /// The check's own addresses, for servers that close on LOCAL or UNKNOWN.
        case addresses
        /// No header.
        case none
    }
}
