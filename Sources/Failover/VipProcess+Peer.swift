// The second heartbeat: what this host's routers and the peer's tell one another over the balancers' pair link.

import Control
import Linux
import VRRP
import Wire

extension VipProcess {
    /// A report that is older says nothing about now: the processes on its way stood still.
    static let reportLimit = VirtualRouter.Bounds.longestSecondPathPatience

    /// Takes the peer's report out of a beat; each counts once, however many beats carry it.
    func hearPeer(_ beat: BalancerBeat) {
        guard beat.peerLinked, let report = beat.peer else { return losePeer() }
        guard report.number != lastPeerReport else { return }
        lastPeerReport = report.number
        guard report.age <= Self.reportLimit else {
            staleReports += 1
            return
        }
        let at = Clock.now - report.age
        for router in report.routers {
            for driver in drivers where driver.name == router.name { driver.hear(router, at: at) }
        }
    }

    /// Nothing comes from the peer any more.
    func losePeer() {
        guard lastPeerReport != nil else { return }
        lastPeerReport = nil
        for driver in drivers { driver.losePeer() }
    }

    /// Tells the peer how things stand here while no advertisement does: a backup is silent on the network.
    func tellPeer() {
        guard drivers.contains(where: { !$0.isActive }) else { return }
        notifyBalancer(isPaced: true)
    }
}
