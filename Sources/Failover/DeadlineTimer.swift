// One timer on the event loop that follows a moving deadline.

import Linux
import Wire

/// Calls back at a deadline that its owner moves often.
///
/// A deadline that moves later costs nothing: the timer fires early once and follows.
final class DeadlineTimer {
    /// Called when the deadline has come; it says the next one through ``follow(_:)``.
    var onDeadline: () -> Void = {}

    private let loop: EventLoop
    private var armed: (deadline: Instant, timer: EventLoop.Timer)?
    private var deadline: Instant?

    init(on loop: EventLoop) { self.loop = loop }

    /// From now on the deadline is this one; `nil`: none.
    func follow(_ deadline: Instant?) {
        self.deadline = deadline
        guard let deadline else { return }
        if let armed {
            if armed.deadline <= deadline { return }
            loop.cancel(armed.timer)
        }
        arm(deadline)
    }

    /// Never calls back again, until told to follow something.
    func cancel() {
        deadline = nil
        loop.cancel(armed?.timer)
        armed = nil
    }

    private func arm(_ deadline: Instant) {
        armed = (deadline, loop.schedule(at: deadline) { [weak self] in self?.fire() })
    }

    private func fire() {
        armed = nil
        guard let deadline else { return }
        if deadline <= Clock.now { onDeadline() } else { arm(deadline) }
    }
}
