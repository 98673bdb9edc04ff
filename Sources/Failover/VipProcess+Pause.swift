// Notices that this process did not run for a while: it was stopped, or its machine was.

import Linux
import Wire

extension VipProcess {
    /// How often this process looks at the clock, to notice that it did not.
    static let pauseTick = Duration.milliseconds(50)
    /// A later tick than that is a pause; less is ordinary scheduling.
    static let pauseThreshold = Duration.milliseconds(10)

    /// Says to the balancer's watch how long this process has not run since the last tick. Called before anybody is judged
    /// by the clock.
    func noticePause() {
        let now = Clock.now
        guard now >= pauseTickDue else { return }
        let late = now - pauseTickDue
        if late > Self.pauseThreshold { watch.handle(.ownPause(late), at: now) }
        pauseTickDue = now + Self.pauseTick
        pauseTimer.follow(pauseTickDue)
    }
}
