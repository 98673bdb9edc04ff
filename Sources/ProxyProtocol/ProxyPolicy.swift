// What a listener accepts as a PROXY header.

/// The limits a listener sets to PROXY headers.
package struct ProxyPolicy: Hashable, Sendable {
    /// The longest header there can be: 16 bytes and what its length field can say.
    package static let longest = 16 + 65_535
    /// Below it a version 1 line or a version 2 header over IPv6 would not fit.
    package static let lengths = 107...longest

    /// The longest header of version 2, in bytes, within ``lengths``; NGINX takes 4096 too.
    package let maximumLength: Int
    /// Most TLVs, those inside the SSL one counted too.
    package let maximumTLVs: Int
    package let versions: Set<ProxyHeader.Version>

    package init(
        maximumLength: Int = 4096, maximumTLVs: Int = 64, versions: Set<ProxyHeader.Version> = [.v1, .v2]
    ) {
        precondition(ProxyPolicy.lengths.contains(maximumLength) && maximumTLVs >= 0 && !versions.isEmpty)
        self.maximumLength = maximumLength
        self.maximumTLVs = maximumTLVs
        self.versions = versions
    }
}
