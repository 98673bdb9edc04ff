// The configuration file of a lab's pair.

import Wire

/// Writes the one file both proxies of a lab read.
enum PairConfiguration {
    /// The text; `directory` is the lab's, in which each host sees its own
    /// secret and admin socket under `run`.
    static func text(_ settings: LabSettings, proxies: [Host], brokers: [Broker], directory: String) -> String {
        var lines: [String] = ["# Written by understudy lab: the same file on both hosts.", "user nobody"]
        for (host, priority) in zip(proxies, settings.priorities) {
            lines.append("node \(host.name) { address \(host.address); priority \(priority) }")
        }
        lines += [
            "pair { secret \(directory)/run/pair.key }",
            "",
            "vrrp mqtt {",
            "    interface        eth0",
            "    router-id        51",
            "    address          \(LabNetwork.virtualAddress)/24",
            "    advert-interval  \(settings.advertInterval.text)",
            "    preempt          \(settings.preempt)",
            "    transport        \(settings.transport)",
            "    authentication   \(settings.authentication)",
            "}",
            "",
            "listen mqtt { bind *:1883; protocol mqtt; use brokers }",
            "",
            "backend brokers {",
            "    balance  \(settings.balance)",
            "    stick    on client-id table sessions",
        ]
        lines += brokers.map { "    server   \($0.host.name) \($0.address)" }
        lines += [
            "    check    \(settings.check)",
            "}",
            "",
            "stick-table sessions { key client-id; size 1M; expire 30m; replicate }",
            "admin { socket \(directory)/run/admin.sock }",
            "log { to stderr; level info }",
            "",
        ]
        return lines.joined(separator: "\n")
    }
}
