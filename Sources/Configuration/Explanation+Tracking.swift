// What a virtual router depends on, in words.

import Wire

extension Explanation {
    /// The lines about what `router` tracks.
    func tracking(_ router: Configuration.VirtualRouterSettings) -> [String] {
        let tracking = router.tracking
        var lines = tracking.tracks.map { "  \(sentence($0))" }
        switch tracking.withoutServers {
        case .ignored: break
        case .effect(.fault): lines.append("  Without a usable server this host does not hold the address.")
        case .effect(.weight(let weight)):
            let priority = min(max(Int(router.priority) + min(weight, 0), 1), 254)
            lines.append(
                weight < 0
                    ? "  Without a usable server this host has priority \(priority), and hands over to a peer that has one."
                    : "  With a usable server this host has \(weight) more.")
        }
        if tracking.settle > .zero {
            lines.append("  A link that came up is given \(tracking.settle.text) before silence on it means anything.")
        }
        if let witness = tracking.witness {
            lines.append(
                witness.isRequired
                    ? "  This host takes over from silence only while \(witness.address) answers."
                    : "  The witness \(witness.address) shows that the link carries packets.")
        }
        lines.append(
            tracking.duplicateProbe.map { "  While active it asks every \($0.text) whether somebody else has the address." }
                ?? "  It does not ask whether somebody else has the address.")
        return lines
    }

    private func sentence(_ track: Configuration.Track) -> String {
        let condition =
            switch track.subject {
            case .interface(let name): "the interface \(name) must be up"
            case .servers(let backend, let minimum):
                "the backend \(backend) must have \(minimum) usable server\(minimum == 1 ? "" : "s")"
            case .file(let path): "the file \(path) must say 0, or not be there"
            case .script(let name): script(name)
            }
        var delays = ""
        if track.downDelay > .zero { delays += ", believed down after \(track.downDelay.text)" }
        if track.upDelay > .zero { delays += ", believed up after \(track.upDelay.text)" }
        let effect =
            switch track.effect {
            case .fault: "else this host does not hold the address"
            case .weight(let weight) where weight > 0: "then the priority is \(weight) higher"
            case .weight(let weight):
                if case .file = track.subject { "each one more lowers the priority by \(-weight)" } else {
                    "else the priority is \(-weight) lower"
                }
            }
        return "\(condition.prefix(1).uppercased())\(condition.dropFirst())\(delays); \(effect)."
    }

    private func script(_ name: String) -> String {
        guard let script = configuration.scripts.first(where: { $0.name == name }) else { return "\(name) must succeed" }
        return "the script \(name) (\(script.command), every \(script.interval.text), killed after "
            + script.timeout.text + (script.user.map { ", as \($0)" } ?? "") + ") must succeed"
    }
}
