// Which backend a client goes to: the first rule that fits.

package import Wire

/// The `use` rules of one listener, in the file's order.
package struct RouteTable: Sendable {
    /// What a rule looks at.
    package enum Condition: Hashable, Sendable {
        /// The name the client asked for in its handshake (RFC 6066, 3); nobody's without one.
        case serverName(Pattern)
        /// The user name of the CONNECT; nobody's without one.
        case username(Pattern)
        /// The beginning of the client ID.
        case clientIDPrefix([UInt8])
        /// The common name of the client's certificate; nobody's without one.
        case certificateName(Pattern)
        /// A part of all clients, in hundredths of a percent, always the same clients: the next part after those of the
        /// percentage rules before it, by ``Murmur2`` of the client ID. An empty client ID is placed by its address.
        case share(Int)
    }

    /// One rule.
    package struct Rule: Hashable, Sendable {
        package let condition: Condition
        /// What the caller calls the backend.
        package let backend: UInt32

        package init(_ condition: Condition, backend: UInt32) {
            self.condition = condition
            self.backend = backend
        }
    }

    /// The whole of a ``Condition/share(_:)``.
    package static let wholeShare = 10_000

    private let rules: [Rule]
    private let fallback: UInt32
    /// Whether a rule looks at a share, so that the key must be hashed.
    private let hasShares: Bool

    /// - Parameter fallback: The backend for whom no rule fits.
    package init(_ rules: [Rule], otherwise fallback: UInt32) {
        self.rules = rules
        self.fallback = fallback
        hasShares = rules.contains {
            if case .share = $0.condition { true } else { false }
        }
    }

    /// The backend of one client. O(rules × length of what they look at).
    ///
    /// - Parameters:
    ///   - clientID: May be empty.
    ///   - username: Empty: none.
    ///   - address: The client's, which stands in for an empty client ID.
    package func backend(
        clientID: Span<UInt8>, username: [UInt8] = [], serverName: String? = nil, certificateName: String? = nil,
        address: SocketAddress
    ) -> UInt32 {
        let place = hasShares ? RouteTable.place(clientID, address) : 0
        var taken = 0
        for rule in rules {
            switch rule.condition {
            case .serverName(let pattern): if fits(pattern, serverName) { return rule.backend }
            case .certificateName(let pattern): if fits(pattern, certificateName) { return rule.backend }
            case .username(let pattern): if !username.isEmpty, pattern.matches(username.span) { return rule.backend }
            case .clientIDPrefix(let prefix): if RouteTable.begins(clientID, prefix) { return rule.backend }
            case .share(let hundredths):
                taken += hundredths
                if place < taken { return rule.backend }
            }
        }
        return fallback
    }

    /// Where a client lies among all of them: 0 to 9,999.
    static func place(_ clientID: Span<UInt8>, _ address: SocketAddress) -> Int {
        let hash: UInt32
        if clientID.isEmpty {
            hash = Murmur2.hash(Array("\(address.address.unmapped)".utf8).span)
        } else {
            hash = Murmur2.hash(clientID)
        }
        return Int((UInt64(hash) * UInt64(wholeShare)) >> 32)
    }

    private func fits(_ pattern: Pattern, _ name: String?) -> Bool {
        guard let name else { return false }
        return pattern.matches(Array(name.utf8).span)
    }

    private static func begins(_ clientID: Span<UInt8>, _ prefix: [UInt8]) -> Bool {
        guard clientID.count >= prefix.count else { return false }
        for place in prefix.indices where clientID[place] != prefix[place] { return false }
        return true
    }
}
