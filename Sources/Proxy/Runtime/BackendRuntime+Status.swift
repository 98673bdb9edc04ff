// A backend as the operator sees it.

import Balancing
import Wire

extension BackendRuntime {
    /// Its servers with all that is known about them, and its sources.
    func json(at now: Instant) -> JSON {
        let value = current
        let servers = value.servers.indices.filter { !value.servers[$0].isRetired || value.servers[$0].connections > 0 }
        let sources = self.sources
        return [
            "name": .string(name), "settled": JSON(value.isSettled), "table": JSON(table?.name),
            "rerouted": JSON(value.reroutes), "exhausted": JSON(value.exhaustions),
            "source_ports": JSON(sources.ports), "source_ports_exhausted": JSON(sources.exhaustions),
            "servers": .array(servers.map { json(value.servers[$0], $0, at: now) }),
            "sources": .array(
                sources.listing.map { source in
                    [
                        "address": .string(source.settings.address.map { "\($0)" } ?? "*"),
                        "share_percent": source.settings.share.map { .number(Double($0) / 100) } ?? .null,
                        "most_used": JSON(source.used),
                    ]
                }),
        ]
    }

    private func json(_ server: Server, _ index: Int, at now: Instant) -> JSON {
        let members: [JSON.Member] = [
            .init("name", .string(server.settings.name)), .init("address", JSON(server.isPlaceless ? nil : "\(address(index))")),
            .init("host", JSON(hostName(index))),
            .init("status", .string(server.isRetired ? "removed" : server.health.status.rawValue)),
            .init("since_ms", JSON((now - server.health.since).wholeMilliseconds)),
            .init("because", JSON(server.health.cause.map { "\($0)" })),
            .init("last_check", JSON(server.lastCheck.map { "\($0.result)" })),
            .init("last_check_ago_ms", Self.optional(server.lastCheck.map { (now - $0.at).wholeMilliseconds })),
            .init("checks_skipped", JSON(server.checksSkipped)),
            .init("weight", JSON(server.weight)), .init("file_weight", JSON(server.settings.weight)),
            .init("weight_from", .string(server.weightOrigin.rawValue)),
            .init("backup", JSON(server.settings.isBackup)), .init("sessions", JSON(server.connections)),
            .init("max_sessions", Self.optional(server.settings.maximumConnections)), .init("overflows", JSON(server.overflows)),
            .init("slow_start_left_ms", Self.optional(server.slowStartEnd(at: now).map { ($0 - now).wholeMilliseconds })),
            .init("marked", JSON(!server.passive.accepts(at: now))), .init("marks", JSON(server.passive.marks)),
        ]
        return .object(members)
    }

    private static func optional(_ number: (some BinaryInteger)?) -> JSON { number.map { JSON($0) } ?? .null }
}
