// One router, told events on virtual time, with its answers as plain arrays.

import VRRP
import Wire

typealias Action = VirtualRouter.Action
typealias Event = VirtualRouter.Event
typealias Discard = Advertisement.Discard

/// The addresses of the examples.
enum Example {
    static let virtual = IPAddress.v4(IPv4Address(10, 0, 0, 10))
    static let ours = IPAddress.v4(IPv4Address(10, 0, 0, 12))
    static let lower = IPAddress.v4(IPv4Address(10, 0, 0, 11))
    static let higher = IPAddress.v4(IPv4Address(10, 0, 0, 13))
    static let stranger = IPAddress.v4(IPv4Address(10, 0, 0, 99))

    static func settings(
        priority: UInt8 = 100, preempt: VirtualRouter.Settings.Preempt = .never
    ) -> VirtualRouter.Settings {
        .init(routerID: 51, priority: priority, preempt: preempt, addresses: [virtual], peers: [lower, higher])
    }
}

/// A router and the clock it is given. With priority 100 and 100 ms: skew 60.9375 ms, down interval 360.9375 ms.
struct Dialogue {
    var router: VirtualRouter
    var now = Instant.zero

    init(_ settings: VirtualRouter.Settings = Example.settings()) { router = VirtualRouter(settings) }

    /// A dialogue in which the node is ready and the router listens.
    static func backup(_ settings: VirtualRouter.Settings = Example.settings(), inSync: Bool = true) -> Dialogue {
        var dialogue = Dialogue(settings)
        for event: Event in [
            .interface(up: true), .source(Example.ours), .ready(true, reason: "serving"), .inSync(inSync),
            .started(holding: false),
        ] { dialogue.tell(event) }
        return dialogue
    }

    /// A dialogue in which the router has asked for the addresses; the attempt is 1.
    static func claiming(_ settings: VirtualRouter.Settings = Example.settings()) -> Dialogue {
        var dialogue = backup(settings)
        dialogue.runToDeadline()
        return dialogue
    }

    /// A dialogue in which the router has just become active.
    static func active(_ settings: VirtualRouter.Settings = Example.settings()) -> Dialogue {
        var dialogue = claiming(settings)
        dialogue.tell(.addressesClaimed(1))
        return dialogue
    }

    @discardableResult mutating func tell(_ event: Event) -> [Action] { Array(router.handle(event, at: now)) }

    /// Time passes without the router being called.
    mutating func pass(_ duration: Duration) { now += duration }

    @discardableResult mutating func timeout() -> [Action] { Array(router.timeout(at: now)) }

    /// Goes to the next deadline and lets it fire.
    @discardableResult mutating func runToDeadline() -> [Action] {
        guard let deadline = router.nextDeadline else { return [] }
        now = max(now, deadline)
        return timeout()
    }

    /// Lets every deadline fire up to `duration` from now; all actions in order.
    mutating func run(for duration: Duration) -> [Action] {
        var calls = 0
        let end = now + duration
        var actions: [Action] = []
        while let deadline = router.nextDeadline, deadline <= end {
            actions += runToDeadline()
            calls += 1
            precondition(calls < 1_000_000, "a deadline that is due for ever")
        }
        now = end
        return actions
    }

    @discardableResult mutating func hear(
        _ priority: UInt8, from: IPAddress = Example.lower, interval: Duration = .milliseconds(100)
    ) -> [Action] {
        let advertisement = Advertisement(
            version: router.settings.version, routerID: 51, priority: priority, interval: interval,
            addresses: [Example.virtual])
        return tell(.received(advertisement, from: from, to: Example.ours))
    }

    /// Lets time pass while another router says every 100 ms that it is active.
    mutating func run(for duration: Duration, hearing priority: UInt8) -> [Action] {
        let end = now + duration
        var actions: [Action] = []
        while now < end {
            actions += run(for: min(.milliseconds(100), end - now))
            if now < end { actions += hear(priority) }
        }
        return actions
    }
}
