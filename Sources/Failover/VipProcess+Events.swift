// The stream of events: who became what, and when.

import Linux
import Telemetry
import VRRP
import Wire

extension VipProcess {
    /// Follows a router: its changes are told to subscribers.
    func follow(_ driver: RouterDriver) {
        driver.onEvent = { [weak self, unowned driver] event in
            switch event {
            case .moved(let from, let to, let because):
                self?.events.publish(
                    Self.event(
                        "router", driver.name, to,
                        [
                            JSON.Member("was", .string(from.rawValue)),
                            JSON.Member("priority", JSON(driver.router.settings.priority)),
                            JSON.Member("why", .string(because)),
                        ]))
            }
        }
    }

    /// Adds a subscriber, and tells how everything stands.
    func subscribe(_ connection: consuming FileDescriptor) {
        let now: [JSON] =
            drivers.map { driver in
                Self.event(
                    "router", driver.name, driver.router.role,
                    [
                        JSON.Member("priority", JSON(driver.router.settings.priority)),
                        JSON.Member("why", .string(driver.router.why(at: Clock.now))),
                        JSON.Member("now", true),
                    ])
            } + groups.map { Self.event("group", $0.name, $0.role, [JSON.Member("now", true)]) }
        events.add(connection, now)
    }

    /// One event: what it is about, the role now, and the wall clock.
    static func event(_ kind: String, _ name: String, _ role: VirtualRouter.Role, _ more: [JSON.Member]) -> JSON {
        .object(
            [
                JSON.Member("event", .string(kind)), JSON.Member("name", .string(name)),
                JSON.Member("role", .string(role.rawValue)),
            ] + more + [JSON.Member("time_us", JSON(Clock.wallMicroseconds))])
    }

    /// The last ten minutes of every router, or of the one that is named.
    func history(_ request: JSON) -> JSON {
        let wanted = request["router"]?.string
        let chosen = drivers.filter { driver in
            wanted.map { driver.name == $0 || driver.name.hasPrefix($0 + "/") } ?? true
        }
        guard !chosen.isEmpty || wanted == nil else {
            return ["error": .string("there is no virtual router \(wanted ?? "")")]
        }
        let now = Clock.now
        return [
            "ok": true,
            "routers": .array(
                chosen.map { driver in
                    [
                        "name": .string(driver.name), "state": .string(driver.router.role.rawValue),
                        "why": .string(driver.router.why(at: now)), "history": driver.history.report(at: now),
                    ]
                }),
        ]
    }
}
