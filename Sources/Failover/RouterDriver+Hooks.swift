// When a driver has hooks run.

import Configuration
import Linux
import VRRP
import Wire

extension RouterDriver {
    /// What hooks are told of the router that does not change.
    static func hookFacts(_ plan: RouterPlan) -> [String] {
        [
            "UNDERSTUDY_INTERFACE=\(plan.identity.interface)", "UNDERSTUDY_ROUTER_ID=\(plan.identity.routerID)",
            "UNDERSTUDY_ADDRESSES=" + plan.addresses.map(\.prefix.description).joined(separator: " "),
        ]
    }

    /// Has run what the change of role calls for, now or when the addresses are gone: while a planned hand-over keeps them
    /// for the other router, nobody is told that they are not here.
    func noteHooks(from: VirtualRouter.Role, to: VirtualRouter.Role, because cause: VirtualRouter.Cause) {
        if from == .active, router.parting != nil {
            partingCause = cause
        } else {
            parted()
            runHooks(from: from, to: to, because: cause)
        }
    }

    /// The addresses that waited for the other router are gone, or wanted again.
    func parted() {
        guard let cause = partingCause else { return }
        partingCause = nil
        runHooks(from: .active, to: .backup, because: cause)
        onParted()
    }

    private func runHooks(from: VirtualRouter.Role, to: VirtualRouter.Role, because cause: VirtualRouter.Cause) {
        let isPlanned = cause == .steppedDown || cause == .idle(.stopped)
        let moment = moment(to, from, "\(cause)", isPlanned: isPlanned)
        if to == .active, from != .active {
            hooks.advanceEpoch()
            hooks.run(.afterClaim, moment)
        }
        if from == .active, to != .active { hooks.run(.afterRelease, moment) }
        hooks.run(.roleChange, moment)
    }

    /// After a time with two active routers the other one gave way.
    func tellLosers() {
        guard router.counters.losersHeard != toldLosers else { return }
        toldLosers = router.counters.losersHeard
        guard isActive else { return }
        hooks.run(.reclaimed, moment(.active, .active, "another router gave way", isPlanned: false))
    }

    /// Has the hooks run that come before a planned release, and calls back when they have ended or had their time.
    /// Meanwhile the router stays what it is.
    func prepareRelease(by deadline: Instant, _ done: @escaping () -> Void) {
        guard isActive,
            let last = hooks.run(
                .beforeRelease, moment(.active, .active, "the addresses are handed over", isPlanned: true))
        else { return done() }
        hooks.await(last, until: deadline, done)
    }

    private func moment(
        _ role: VirtualRouter.Role, _ former: VirtualRouter.Role, _ reason: String, isPlanned: Bool
    ) -> HookRunner.Moment {
        HookRunner.Moment(
            role: role.rawValue, formerRole: former.rawValue, priority: router.settings.priority, reason: reason,
            isPlanned: isPlanned)
    }
}
