// The end of what a test started.

import Linux
import Wire

extension Linux.Process {
    /// Ends it at once and reaps it: the watcher of Swift Testing's exit tests never gets past a dead child that nobody
    /// has reaped.
    func finish() {
        if reap() == nil { try? send(Signals.kill) }
        let limit = Clock.now + .seconds(10)
        while reap() == nil, Clock.now < limit { ProcessSelf.pause(.milliseconds(1)) }
    }
}
