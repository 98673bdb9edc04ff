// A conversation with the supervisor's decisions, on virtual time.

import Control
import Supervisor
import Wire

/// A dialogue with a supervision: what happens, what it does about it.
struct SupervisionDialogue {
    var supervision = Supervision()
    var now = Instant.zero

    @discardableResult
    mutating func tell(_ event: Supervision.Event) -> [Supervision.Action] { supervision.handle(event, at: now) }

    mutating func wait(_ duration: Duration) { now += duration }

    /// Lets time pass with beats of both children and timeouts when they are due.
    mutating func live(_ duration: Duration) -> [Supervision.Action] {
        let end = now + duration
        var actions: [Supervision.Action] = []
        while now < end {
            wait(.milliseconds(100))
            actions += tell(.beat(.balancer)) + tell(.beat(.vip))
            if let deadline = supervision.nextDeadline, deadline <= now { actions += tell(.timeout) }
        }
        return actions
    }

    /// Goes to the next deadline and lets it pass.
    mutating func timeout() -> [Supervision.Action] {
        guard let deadline = supervision.nextDeadline else { return [] }
        now = max(now, deadline)
        return tell(.timeout)
    }

    /// Both children serve generation 1.
    static var serving: SupervisionDialogue {
        var dialogue = SupervisionDialogue()
        dialogue.tell(.start(roles: [.balancer, .vip], generation: 1))
        for role in [Supervision.Role.balancer, .vip] {
            dialogue.tell(.prepared(role, generation: 1))
            dialogue.tell(.serving(role, generation: 1))
        }
        return dialogue
    }
}
