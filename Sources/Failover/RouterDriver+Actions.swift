// What a driver does for its state machine: send, claim, release, announce — and report what came of it.

import Glibc
import Linux
import Telemetry
import VRRP
import Wire

extension RouterDriver {
    /// Obeys in order; what comes of it waits to be fed afterwards.
    func perform(_ actions: VirtualRouter.Actions) {
        for action in actions {
            switch action {
            case .advertise(let priority): advertise(priority)
            case .claim(let attempt): claim(attempt)
            case .release: release()
            case .announce: announce()
            case .transition(let from, let to, let cause):
                roleSince = Clock.now
                onEvent(.moved(from: from, to: to, because: "\(cause)"))
                around.log.notice("Was \(from.rawValue), is \(to.rawValue): \(cause).", ["router": name])
                onTransition()
            case .refused(let reason, let source):
                guard refusalGate.opens(for: reason, at: Clock.now) else { break }
                around.log.info(
                    "An advertisement was refused.",
                    ["router": name, "reason": reason.rawValue, "from": source])
            }
        }
    }

    private func claim(_ attempt: VirtualRouter.Attempt) {
        guard let interface else {
            return waiting.append(.addressClaimFailed(attempt, errno: ENODEV))
        }
        do throws(Errno) {
            for prefix in plan.prefixes { try around.netlink.claim(prefix, on: interface.index) }
            waiting.append(.addressesClaimed(attempt))
        } catch {
            around.log.error("The kernel refused an address.", ["router": name, "error": error])
            waiting.append(.addressClaimFailed(attempt, errno: error.code))
        }
    }

    private func release() {
        // An interface that is gone shows no addresses.
        guard let interface else { return waiting.append(.addressesReleased) }
        var failure: Errno?
        for prefix in plan.prefixes {
            do throws(Errno) {
                try around.netlink.release(prefix.address, on: interface.index)
            } catch {
                if error.code != ENODEV { failure = error }
            }
        }
        guard let failure else { return waiting.append(.addressesReleased) }
        around.log.error("An address could not be released.", ["router": name, "error": failure])
        waiting.append(.addressReleaseFailed(errno: failure.code))
    }

    private func announce() {
        guard let interface else { return }
        for prefix in plan.prefixes {
            do throws(Errno) {
                try around.announcer.announce(prefix.address, on: interface, isRouter: interface.forwardsIPv6)
            } catch {
                announcementFailures += 1
            }
        }
    }
}
