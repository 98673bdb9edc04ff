// The direct link to the balancer, and what both sides tell over it.

import Control
import Linux
import Telemetry
import VRRP
import Wire

extension VipProcess {
    /// - Parameter end: readable when the balancer has died. Its holder keeps the link open then.
    func openBalancerLink(_ socket: consuming FileDescriptor, end: consuming FileDescriptor) {
        balancerLink?.close()
        balancerLink = nil
        do throws(Errno) {
            try watchBalancer(end)
            let link = try ControlChannel<BalancerBeat, VipNotice>(socket, on: loop)
            link.onMessage = { [weak self] beat, _ in
                self?.lastBeat = beat
                self?.tracker.heard(beat)
                self?.hearPeer(beat)
                self?.hear(.beat(serving: beat.serving, settled: beat.settled, inSync: beat.inSync))
                if beat.drained { for driver in self?.drivers ?? [] { driver.drained() } }
            }
            link.onClosed = { [weak self] _ in
                self?.balancerLink = nil
                self?.losePeer()
                self?.hear(.linkClosed)
            }
            balancerLink = link
            hear(.linkOpened)
            notifyBalancer()
        } catch {
            around.log.error("The link to the balancer cannot be used.", ["error": error])
            hear(.linkClosed)
        }
    }

    private func watchBalancer(_ end: consuming FileDescriptor) throws(Errno) {
        unwatchBalancer()
        let number = end.release()
        do throws(Errno) {
            try loop.add(number, .readable) { [weak self] _ in
                self?.unwatchBalancer()
                self?.losePeer()
                self?.hear(.died)
            }
            balancerEnd = number
        } catch {
            Descriptor.close(number)
            throw error
        }
    }

    private func unwatchBalancer() {
        guard let number = balancerEnd else { return }
        loop.remove(number)
        Descriptor.close(number)
        balancerEnd = nil
    }

    func hear(_ event: BalancerWatch.Event) {
        watch.handle(event, at: Clock.now)
        balancerChanged()
    }

    func balancerChanged() {
        watchTimer.follow(watch.nextDeadline)
        for driver in drivers {
            driver.isPeerLinked = watch.isReady && lastBeat?.peerLinked == true
            driver.balancer(isReady: watch.isReady, reason: watch.reason, isInSync: watch.isInSync)
        }
    }

    /// - Parameter isActive: whether the router whose role changed is active now.
    func roleChanged(isActive: Bool) {
        // The peer is gone and the address is back: the wish to be without it is overtaken, and clients are to be served.
        if isActive {
            steppingDownUntil = nil
            stepDownTimer.cancel()
        }
        notifyBalancer()
        report()
        answerStepDowns()
    }

    /// - Parameter isPaced: said again and again: left out while the balancer does not read, so that it never reads old
    ///   news one after the other.
    func notifyBalancer(isPaced: Bool = false) {
        if isPaced, balancerLink?.isBacklogged == true { return }
        let now = Clock.now
        let routers = drivers.map { driver in
            VipNotice.Router(name: driver.name, role: driver.noticedRole)
        }
        balancerLink?.send(
            VipNotice(
                routers: routers, steppingDown: steppingDownUntil != nil, time: now,
                reports: Array(drivers.compactMap { $0.peerReport(at: now) }.prefix(RouterReport.maximum))))
    }

    /// One line for the service manager.
    func report() {
        let roles = drivers.map { "\($0.name) \($0.router.role.rawValue)" }
        control.send(.state(roles.joined(separator: ", ")))
    }

    // MARK: Handing over

    /// A router has let go of addresses that it had handed over.
    func parted() {
        notifyBalancer()
        guard endsWhenParted, !drivers.contains(where: { $0.router.parting != nil }) else { return }
        // Not from within what a driver is doing.
        loop.schedule(at: Clock.now) { [weak self] in self?.end() }
    }

    func tellSteppingDown(until: Instant) {
        steppingDownUntil = until
        stepDownTimer.follow(until)
        notifyBalancer()
    }
}
