// Remembers that somebody pressed ^C, so that a lab can clean up behind itself.

import Glibc
import Synchronization

/// SIGINT and SIGTERM, noticed between two turns of the lab's loop.
package enum Interruption {
    private static let requested = Atomic<Bool>(false)

    /// From now on ^C and SIGTERM end what the lab is waiting for instead of the process. A second ^C does too.
    package static func watch() {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            _ = signal(number) { _ in Interruption.requested.store(true, ordering: .relaxed) }
        }
    }

    /// Whether a signal asked the lab to end.
    package static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// While a lab cleans up, it must be able to wait again.
    static func acknowledge() { requested.store(false, ordering: .relaxed) }
}
