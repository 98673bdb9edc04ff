// What a driver does with the addresses of its router: claims, renews and releases them, and reports what came of it.

import Linux
import Telemetry
import VRRP
import Wire

extension RouterDriver {
    func claim(_ attempt: VirtualRouter.Attempt) {
        do throws(Errno) {
            try keeper.claim()
            waiting.append(.addressesClaimed(attempt))
        } catch {
            around.log.error("The kernel refused an address.", ["router": name, "error": error])
            waiting.append(.addressClaimFailed(attempt, errno: error.code))
        }
    }

    func release() {
        do throws(Errno) {
            try keeper.release()
            waiting.append(.addressesReleased)
            parted()
        } catch {
            around.log.error("An address could not be released.", ["router": name, "error": error])
            waiting.append(.addressReleaseFailed(errno: error.code))
        }
    }

    /// Whether the kernel's news about an address tells nothing new: a renewal does not.
    func knows(_ address: InterfaceAddress) -> Bool { keeper.shown.contains(address) }

    // MARK: The dead man's switch

    /// Renews as long as the addresses are wanted.
    func followLease() {
        switch router.role {
        case .initialize, .backup: nextRenewal = nil
        case .claiming, .active: nextRenewal = nextRenewal ?? Clock.now + AddressLease.renewal
        }
        leaseTimer.follow(nextRenewal)
    }

    /// It is time to renew; where an advertisement is due soon, it comes first.
    func renewalCame() {
        let now = Clock.now
        if !isRenewalPutOff, let next = router.nextAdvertisement {
            let better = AddressLease.moment(at: now, nextAdvertisement: next, interval: plan.settings.interval)
            if better > now {
                isRenewalPutOff = true
                nextRenewal = better
                return leaseTimer.follow(better)
            }
        }
        isRenewalPutOff = false
        renewAddresses()
    }

    /// Renews what the kernel shows, and nothing that somebody has removed meanwhile.
    func renewAddresses() {
        readNews()
        if let refusal = keeper.renew() {
            around.log.error("The kernel refused to renew an address.", ["router": name, "error": refusal])
        }
        if nextRenewal != nil { nextRenewal = Clock.now + AddressLease.renewal }
        leaseTimer.follow(nextRenewal)
    }
}
