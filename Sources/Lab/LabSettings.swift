// What a lab looks like: how many brokers, how fast the adverts and checks.

import Wire

/// What can be varied in a lab.
package struct LabSettings: Hashable, Sendable {
    /// The program under test; an absolute path.
    package var program: String
    /// 1 to 9 brokers.
    package var brokers = 3
    /// The configuration's `advert-interval`.
    package var advertInterval: Duration = .milliseconds(100)
    /// The configuration's `preempt`.
    package var preempt = "never"
    /// The configuration's `transport` of the virtual router.
    package var transport = "unicast"
    /// The configuration's `authentication` of the virtual router.
    package var authentication = "hmac"
    /// The configuration's `check` of the backend.
    package var check = "mqtt every 500ms timeout 300ms rise 1 fall 2"
    /// The configuration's `balance`.
    package var balance = "least-connections"
    /// The priorities of the two hosts, 1...254.
    package var priorities = [150, 100]
    /// The second host gets another pair secret than the first.
    package var hasWrongSecret = false
    /// Keeps what the bridge carries, in case the story fails.
    package var capture = true

    package init(program: String) { self.program = program }
}
