// Keeps the way to a peer that cannot be reached ready for the moment it can be again.

import Linux
import VRRP
import Wire

extension RouterDriver {
    /// The shortest time between two announcements of our own address.
    static let presenceInterval = Duration.milliseconds(100)

    /// Announces this node's own address beside an advertisement while the pair link is down.
    ///
    /// After a long separation the kernel has forgotten the peer's link-layer address and asks for it once a second, while
    /// adverts wait: two hosts that both became active would hear one another up to a second late. An announcement that
    /// arrives fills the peer's question in, and its adverts flow at once. Multicast needs no address to be resolved.
    func showPresence(from source: IPAddress) {
        let now = Clock.now
        guard !isPeerLinked, !plan.settings.peers.isEmpty, let interface,
            now - lastPresence >= Self.presenceInterval
        else { return }
        lastPresence = now
        keeper.announce(source, on: interface)
    }
}
