// What a driver learns about what its router depends on, and about the other host.

import Control
import Linux
import Telemetry
import VRRP
import Wire

extension RouterDriver {
    /// Connects timers and questions with the state machines.
    func prepareTracking() {
        trackingTimer.onDeadline = { [weak self] in
            guard let self else { return }
            _ = tracking.timeout(at: Clock.now)
            tellReadiness()
        }
        probe.addresses = { [weak self] in
            guard let plan = self?.plan else { return [] }
            return plan.addresses.filter { $0.isClaimed && $0.device == plan.identity.interface }.map(\.address)
        }
        probe.onBlindness = { [weak self] in self?.onBlindness() }
        probe.interval = { [weak self] in self?.plan.settings.interval ?? .milliseconds(100) }
        probe.onWitness = { [weak self] in
            self?.feed(.linkProven)
            self?.feed(.witnessAnswered)
        }
        probe.onOtherHolder = { [weak self] address, mac in
            guard let self else { return }
            around.log.warning(
                "Somebody else answers for a virtual address; it is announced again.",
                ["router": name, "address": address, "mac": mac])
            feed(.addressAnswered(by: nil))
        }
    }

    /// Takes in an observation; of something it does not track it is nothing.
    func observe(_ observation: Tracking.Observation) {
        if tracking.handle(observation, at: Clock.now) != nil || !hasStarted {
            tellReadiness()
        } else {
            trackingTimer.follow(tracking.nextDeadline)
        }
    }

    /// What the peer's router of the same name said of itself over the pair link.
    ///
    /// - Parameter at: when it was said, as far as that is known here.
    func hear(_ report: RouterReport, at: Instant) {
        guard report.address.family == plan.identity.family else { return }
        let role: VirtualRouter.Role = report.isActive ? .active : report.isWilling ? .backup : .initialize
        feed(
            .peerAlive(
                VirtualRouter.PeerReport(
                    role: role, priority: report.priority, address: report.address, isWilling: report.isWilling),
                at: at))
    }

    /// The pair link is gone.
    func losePeer() { feed(.peerPathLost) }

    /// What this host's router says of itself to the peer; `nil` while it has no address to send from.
    func peerReport(at now: Instant) -> RouterReport? {
        router.source.map { source in
            RouterReport(
                name: name, isActive: router.isAdvertising, isWilling: router.isWilling(at: now),
                priority: router.settings.priority, address: source)
        }
    }
}
