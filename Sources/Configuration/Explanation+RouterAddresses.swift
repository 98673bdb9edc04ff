// Virtual addresses explained: where they live, how neighbours hear of them, and what else runs.

import Wire

extension Explanation {
    /// The lines about addresses that are not simply on the router's interface, announcements and hooks.
    func addressLines(_ router: Configuration.VirtualRouterSettings) -> [String] {
        var lines: [String] = []
        for address in router.addresses {
            var words: [String] = []
            if let device = address.device { words.append("is put on \(device)") }
            if let label = address.label { words.append("has the label \(label)") }
            if let lifetime = address.preferredLifetime {
                words.append(
                    lifetime == .zero
                        ? "is never chosen as a source" : "may be chosen as a source for \(lifetime.text) after a renewal")
            }
            if address.isUnadvertised { words.append("is not named in adverts") }
            if address.isUnclaimed { words.append("is put on no interface: hooks move it") }
            if !words.isEmpty { lines.append("  \(address) \(words.joined(separator: ", ")).") }
        }
        let announcements = router.announcements
        let refresh = announcements.refresh.map { ", then every \($0.text)" } ?? ""
        lines.append(
            "  Neighbours are told \(announcements.repeats == 1 ? "once" : "\(announcements.repeats) times") at a takeover, "
                + "again after 1s and 5s\(refresh).")
        for hook in router.hooks {
            lines.append("  Hook \(hook.event.rawValue): \(hook.path), as \(hook.user), killed after \(hook.timeout.text).")
        }
        return lines
    }
}
