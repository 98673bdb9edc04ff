// The names under which descriptors are handed to a child.

import Wire

/// What a descriptor handed to a child is for.
package enum DescriptorName: Hashable, Sendable, CustomStringConvertible {
    /// A listening socket: `listener/LISTENER/BIND/LOOP`. `bind` counts the addresses of that listener and `loop` the event
    /// loops, both from 0. One for each loop, so that a loop accepts what the kernel gave to it alone.
    case listener(String, bind: Int, loop: Int)
    /// A memfd that outlives the child: `memory/NAME`, for example `memory/table/sessions`.
    case memory(String)
    /// A sealed memfd with the octets of a file the child may not open itself: `secret/NAME`, for example `secret/pair`.
    case secret(String)

    /// The pre-shared secret of the pair.
    package static let pairSecret = DescriptorName.secret("pair")

    /// The key file that client identities are hashed with; known by a hash of its name, which may be longer than a
    /// descriptor's.
    package static func identityKey(_ path: String) -> DescriptorName {
        .secret("identity/\(String(stableHash(path), radix: 16))")
    }

    /// The socket that status pages are served at, by the number of the address. No listener's name has parentheses.
    package static func status(bind: Int) -> DescriptorName { .listener(statusListener, bind: bind, loop: 0) }
    /// What stands in place of a listener's name there.
    package static let statusListener = "(status)"

    /// What sealed session tickets are made from: the same on both hosts of a pair.
    package static let ticketSecret = DescriptorName.secret("tickets")

    /// Certificates, keys and authorities of a listener's tls block.
    package static func tls(listener name: String) -> DescriptorName { .secret("tls/listen/\(name)") }

    /// Authorities, and a certificate and key where there are some, of a backend's tls block.
    package static func tls(backend name: String) -> DescriptorName { .secret("tls/backend/\(name)") }

    /// The same for `vip`, which derives the key of advertisements from it.
    package static let vrrpSecret = DescriptorName.secret("vrrp/pair")

    /// The secret that is accepted for advertisements while one replaces the other.
    package static let vrrpAcceptedSecret = DescriptorName.secret("vrrp/accepted")

    /// A key of a virtual router shared with other programs, by its number.
    package static func vrrpKey(_ router: String, _ id: UInt8) -> DescriptorName { .secret("vrrp/key/\(router)/\(id)") }

    /// Whether it is for `vip`; everything else is for the balancer.
    package var isForVip: Bool { if case .secret(let name) = self { name.hasPrefix("vrrp/") } else { false } }

    /// The memory of a stick table.
    package static func table(_ name: String) -> DescriptorName { .memory("table/\(name)") }

    /// The form that travels.
    package var text: String {
        switch self {
        case .listener(let name, let bind, let loop): "listener/\(name)/\(bind)/\(loop)"
        case .memory(let name): "memory/\(name)"
        case .secret(let name): "secret/\(name)"
        }
    }

    package var description: String { text }

    /// Reads the form that travels; `nil` for anything else.
    package init?(_ text: String) {
        guard text.utf8.count <= ControlLimits.name, let slash = text.firstIndex(of: "/") else { return nil }
        let rest = text[text.index(after: slash)...]
        guard !rest.isEmpty else { return nil }
        switch text[..<slash] {
        case "memory": self = .memory(String(rest))
        case "secret": self = .secret(String(rest))
        case "listener":
            // The two numbers stand last, so a name may hold any character.
            guard let lastSlash = rest.lastIndex(of: "/"),
                let firstSlash = rest[..<lastSlash].lastIndex(of: "/"),
                let bind = Self.index(rest[rest.index(after: firstSlash)..<lastSlash]),
                let loop = Self.index(rest[rest.index(after: lastSlash)...]), firstSlash > rest.startIndex
            else { return nil }
            self = .listener(String(rest[..<firstSlash]), bind: bind, loop: loop)
        default: return nil
        }
    }

    private static func index(_ digits: Substring) -> Int? {
        guard let value = UInt16(digits), String(value) == digits else { return nil }
        return Int(value)
    }
}
