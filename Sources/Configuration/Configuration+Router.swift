// What a configuration says about the protocol of virtual routers: authentication, checksum, groups.

package import Wire

extension Configuration.VirtualRouterSettings {
    /// What the checksum of an IPv4 version 3 advertisement covers (RFC 5798 and RFC 9568, 5.2.8, disagree).
    package enum Checksum: String, Hashable, Sendable, CaseIterable {
        /// A pseudo-header and the message, as keepalived sends by default.
        case pseudoHeader = "pseudo-header"
        /// The message alone: RFC 9568, Cisco, Juniper.
        case messageOnly = "message-only"
    }

    /// How advertisements are authenticated.
    package struct Authentication: Hashable, Sendable {
        /// What an advertisement carries to be believed.
        package enum Kind: Hashable, Sendable {
            /// Nothing but its source address and TTL.
            case none
            /// Version 2 only: 1...8 octets in clear (RFC 2338, 5.3.6).
            case password(String)
            /// A trailer with an HMAC (draft-cassen-vrrp-auth-hmac).
            case hmac
        }

        /// How far the trailer is introduced.
        package enum Mode: String, Hashable, Sendable, CaseIterable {
            /// Sends and demands a trailer.
            case enforce
            /// Sends a trailer and believes adverts without one.
            case permissive
            /// Sends none and understands one.
            case receiveOnly = "receive-only"
        }

        /// What tells a fresh advertisement from a repeated one.
        package enum AntiReplay: String, Hashable, Sendable, CaseIterable {
            /// A number that only grows; the hosts' clocks may differ.
            case monotonic
            /// The clocks of the hosts, within a window.
            case time
        }

        /// A key shared with routers of other programs: `hmac-key N FILE`.
        package struct Key: Hashable, Sendable {
            /// The number in the trailer, 0...255.
            package var id: UInt8
            /// The file with 32...64 octets in hexadecimal; for its owner only.
            package var path: String

            package init(id: UInt8, path: String) {
                self.id = id
                self.path = path
            }
        }

        package var kind: Kind = .hmac
        package var mode: Mode = .enforce
        package var antiReplay: AntiReplay = .monotonic
        /// How far the clocks may differ with ``AntiReplay/time``; `nil`: three intervals, 5 s at least.
        package var window: Duration?
        /// Keys from files; empty: the key is derived from the pair secret.
        package var keys: [Key] = []
        /// The number of the key that is sent; `nil`: the first of ``keys``.
        package var activeKey: UInt8?

        package init() {}

        /// Whether the keys come from the pair secret.
        package var usesPairSecret: Bool { kind == .hmac && keys.isEmpty }
    }

    /// The address families of the adverts of the block, each a virtual router of its own (RFC 9568, 1.6); the first written is first.
    package var families: [AddressFamily] {
        var families: [AddressFamily] = []
        for address in addresses where !address.isUnadvertised && !families.contains(address.address.family) {
            families.append(address.address.family)
        }
        return families
    }

    /// The addresses of one family, in the order of the file.
    package func addresses(of family: AddressFamily) -> [IPPrefix] {
        addresses.map(\.prefix).filter { $0.address.family == family }
    }

    /// How many virtual routers speak for the block.
    package var count: Int { families.count }
}

extension Configuration {
    /// `sync-group NAME { router R … }`: virtual routers that move together.
    package struct SyncGroupSettings: Hashable, Sendable {
        /// Most virtual routers of one group; a block with both families counts twice.
        package static let maximumMembers = 16

        package var name: String
        /// The names of the `vrrp` blocks, in the order of the file; the first is the leader.
        package var routers: [String] = []

        package init(name: String) { self.name = name }
    }
}
