// From what a `vrrp` block tracks to the items that are judged and the things that are looked at.

package import Configuration
package import VRRP
package import Wire

/// What one virtual router tracks.
package struct TrackingPlan: Equatable, Sendable {
    /// What is judged.
    package var items: [Tracking.Item] = []
    /// Interfaces to look at.
    package var interfaces: [String] = []
    /// Something that answers; `nil`: nobody is asked.
    package var witness: Configuration.Witness?
    /// How often an active router asks for other holders; `nil`: never.
    package var duplicateProbe: Duration?
    var order = AttendantOrder()

    /// How long something new may take to be seen for the first time, when it is added while the router runs.
    private static let patience = Duration.seconds(2)

    /// - Parameter family: of the advertisements; a witness of the other one is not on their path.
    package init(_ tracking: Configuration.Tracking, family: AddressFamily, scripts: [Configuration.ScriptSettings]) {
        witness = tracking.witness.flatMap { $0.address.family == family ? $0 : nil }
        duplicateProbe = tracking.duplicateProbe
        interfaces = tracking.interfaces
        if case .effect(let effect) = tracking.withoutServers {
            items.append(.init(.anyServer, Self.effect(effect), patience: Self.patience))
        }
        for track in tracking.tracks {
            let effect = Self.effect(track.effect)
            switch track.subject {
            case .interface(let name):
                items.append(
                    .init(.interface(name), effect, upDelay: track.upDelay, downDelay: track.downDelay))
            case .servers(let backend, let minimum):
                items.append(.init(.servers(backend: backend, minimum: minimum), effect, patience: Self.patience))
            case .file(let path):
                items.append(.init(.file(path), effect, patience: Tracker.filePatience))
                order.files.append(path)
            case .script(let name):
                guard let script = scripts.first(where: { $0.name == name }) else { continue }
                items.append(
                    .init(
                        .script(name), effect, rise: script.rise, fall: script.fall,
                        patience: script.timeout * script.fall + script.interval * (script.fall - 1) + Self.patience))
                order.scripts.append(
                    .init(
                        name: name, command: script.command, arguments: script.arguments, interval: script.interval,
                        timeout: script.timeout, user: script.user))
            }
        }
    }

    private static func effect(_ effect: Configuration.TrackEffect) -> Tracking.Effect {
        switch effect {
        case .fault: .fault
        case .weight(let weight): .weight(weight)
        }
    }
}

extension AttendantOrder {
    /// Everything several routers want to be looked at, each once.
    init(joining orders: [AttendantOrder]) {
        for order in orders {
            for file in order.files where !files.contains(file) { files.append(file) }
            for script in order.scripts where !scripts.contains(script) { scripts.append(script) }
        }
    }
}
