// Planned releases: hooks first, then the sessions, then the addresses.

import Linux
import Telemetry
import Wire

extension VipProcess {
    /// Has the hooks run that come before a planned release of any router's addresses, all routers at the same time, then
    /// calls back. Adverts go on meanwhile.
    ///
    /// - Parameter deadline: when it calls back at the latest.
    func prepareRelease(by deadline: Instant, _ done: @escaping () -> Void) {
        var missing = drivers.count
        guard missing > 0 else { return done() }
        for driver in drivers {
            driver.prepareRelease(by: deadline) {
                missing -= 1
                if missing == 0 { done() }
            }
        }
    }

    /// The hooks of a router that has ended: what waits still runs.
    func retire(_ driver: RouterDriver, by deadline: Instant) {
        for hooks in retiredHooks where hooks.isOver { hooks.join() }
        retiredHooks.removeAll(where: \.isOver)
        guard !driver.hooks.isOver else { return }
        driver.hooks.close(by: deadline)
        retiredHooks.append(driver.hooks)
    }

    /// How long the balancer may be silent: it gets its real-time priority as this process does, from the same supervisor
    /// and the same configuration.
    var silence: Duration {
        punctuality.isRealTime ? BalancerWatch.Bounds.silence : BalancerWatch.Bounds.ordinarySilence
    }

    /// Takes the real-time priority of the configuration, where the kernel allowed any at the start.
    ///
    /// - Parameter priority: 1...99; `nil`: none.
    func takePriority(_ priority: Int?) {
        guard mayBeRealTime, priority != realTimePriority else { return }
        do throws(Errno) {
            if let priority {
                try ProcessSelf.setRealtime(priority: Int32(clamping: priority))
            } else {
                try ProcessSelf.setOrdinary()
            }
            realTimePriority = priority
            punctuality.isRealTime = priority != nil
            watch.silence = silence
        } catch {
            around.log.error("The real-time priority cannot be changed.", ["error": error])
        }
    }
}
