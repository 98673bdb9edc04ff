// What a configuration says about the addresses of virtual routers: where they live, how they are announced, which hooks run.

package import Wire

extension Configuration.VirtualRouterSettings {
    /// One virtual address: `address ADDRESS/LENGTH [dev …] [label …] …`.
    package struct Address: Hashable, Sendable, CustomStringConvertible {
        /// The longest time a preferred lifetime may name: the address itself lives no longer without renewal.
        package static let longestPreferred = Duration.seconds(4)
        /// Most addresses of one family that one advert can name: it counts them in one octet (RFC 9568, 5.2.4).
        package static let maximumAdvertised = 255

        package var prefix: IPPrefix
        /// The network interface it is put on; `nil`: the router's.
        package var device: String?
        /// The label of an IPv4 address (`eth0:vip`); `nil`: the interface's name.
        package var label: String?
        /// How long an IPv6 address may be chosen as a source after the last renewal; `nil`: as long as it is there,
        /// and never when its prefix is /128.
        package var preferredLifetime: Duration?
        /// It moves along and is not named in advertisements.
        package var isUnadvertised = false
        /// It is named in advertisements and not put on any interface: a hook moves it.
        package var isUnclaimed = false

        package init(_ prefix: IPPrefix) { self.prefix = prefix }

        package var address: IPAddress { prefix.address }
        package var description: String { prefix.description }

        /// The address with its options as they are written.
        var text: String {
            var text = prefix.description
            if let device { text += " dev \(device)" }
            if let label { text += " label \(written(label))" }
            if let preferredLifetime { text += " preferred-lifetime \(preferredLifetime.text)" }
            if isUnadvertised { text += " unadvertised" }
            if isUnclaimed { text += " unclaimed" }
            return text
        }
    }

    /// `announce repeat N refresh DURATION`.
    package struct Announcements: Hashable, Sendable {
        /// Rounds in short order at a takeover, 1...20; two more follow after 1 s and 5 s.
        package var repeats: Int = 5
        /// How often an active router announces after that; `nil`: no more.
        package var refresh: Duration?

        package init() {}
    }

    /// `hook EVENT FILE [timeout DURATION]`: a program that runs when the role changes.
    package struct Hook: Hashable, Sendable {
        /// When it runs.
        package enum Event: String, Hashable, Sendable, CaseIterable {
            /// This node became active; its addresses are there.
            case afterClaim = "after-claim"
            /// The addresses are about to be handed over on purpose; they stay until it has ended.
            case beforeRelease = "before-release"
            /// This node is no longer active; its addresses are gone.
            case afterRelease = "after-release"
            /// Another node was active beside this one, and gave way.
            case reclaimed
            /// The role changed in any way.
            case roleChange = "role-change"
        }

        /// Most hooks of one router.
        package static let maximum = 16

        package var event: Event
        /// The absolute path of the program; it is given no arguments.
        package var path: String
        /// When it has not ended by then it is killed.
        package var timeout: Duration = .seconds(5)
        /// Whom it runs as. Root has what it takes to move addresses and routes: CAP_NET_ADMIN and CAP_NET_RAW.
        package var user = "root"

        package init(_ event: Event, path: String) {
            self.event = event
            self.path = path
        }
    }

    /// The addresses that move with the router of one family, in the order of the file: those it advertises, and those
    /// that nobody advertises, with the router of their own family or else with the first one.
    package func addresses(movingWith family: AddressFamily) -> [Address] {
        addresses.filter { address in
            let own = address.address.family
            if !address.isUnadvertised || families.contains(own) { return own == family }
            return family == families.first
        }
    }
}
