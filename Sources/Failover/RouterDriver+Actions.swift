// What a driver does for its state machine: send, claim, release, announce — and report what came of it.

import Glibc
import Linux
import Telemetry
import VRRP
import Wire

extension RouterDriver {
    /// Obeys in order; what comes of it waits to be fed afterwards.
    func perform(_ actions: VirtualRouter.Actions) {
        tellLosers()
        for action in actions {
            switch action {
            case .advertise(let priority): advertise(priority)
            case .claim(let attempt): claim(attempt)
            case .release: release()
            case .drain: onTransition()
            case .announce: keeper.announce()
            case .transition(let from, let to, let cause):
                roleSince = Clock.now
                onEvent(.moved(from: from, to: to, because: "\(cause)"))
                around.log.notice("Was \(from.rawValue), is \(to.rawValue): \(cause).", ["router": name])
                noteHooks(from: from, to: to, because: cause)
                onTransition()
            case .refused(let reason, let source):
                guard refusalGate.opens(for: reason, at: Clock.now) else { break }
                around.log.info(
                    "An advertisement was refused.",
                    ["router": name, "reason": reason.rawValue, "from": source])
            }
        }
    }
}
