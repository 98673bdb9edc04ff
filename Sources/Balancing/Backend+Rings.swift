// Weights that change, and the hash rings that follow them.

import Wire

extension Backend {
    /// Both rings of a backend: of the ordinary servers, and of the backups.
    package struct Rings: Sendable {
        /// Of ordinary servers.
        let ordinary: HashRing
        /// Of backups.
        let backups: HashRing
        /// What they were built from.
        let plan: RingPlan

        static let empty = Rings(ordinary: HashRing([]), backups: HashRing([]), plan: RingPlan(ordinary: [], backups: []))
    }

    /// What rings are built from: enough to do so beside the backend, while it goes on choosing.
    package struct RingPlan: Hashable, Sendable {
        let ordinary: [HashRing.Member]
        let backups: [HashRing.Member]

        /// The rings. With much weight this takes tens of milliseconds: up to 2^20 points are hashed and sorted.
        package func build() -> Rings { Rings(ordinary: HashRing(ordinary), backups: HashRing(backups), plan: self) }
    }

    /// Who gives a server its weight.
    package enum WeightOrigin: String, Hashable, Sendable { case file, `operator`, agent }

    /// A weight for a server, within ``Server/Settings/weights``.
    ///
    /// - Parameters:
    ///   - origin: Who says so.
    ///   - defersRings: Leaves the rings as they are until ``adopt(_:)``; who says so owes that.
    package mutating func setWeight(
        _ weight: Int, server: Int, by origin: WeightOrigin = .operator, defersRings: Bool = false
    ) {
        precondition(Server.Settings.weights.contains(weight))
        servers[server].weightOrigin = origin
        guard weight != servers[server].weight else { return }
        servers[server].weight = weight
        weightsChanged(defersRings: defersRings)
    }

    /// What the rings have to be built from anew; `nil`: they are as the servers and their weights are.
    package var ringPlan: RingPlan? { areRingsStale ? plan : nil }

    /// Takes in rings that were built from ``ringPlan``; rings of servers or weights that are different by now still are
    /// nearer to them than the former ones, and stay stale.
    ///
    /// - Returns: The former rings, for the caller to free: they may be large.
    package mutating func adopt(_ built: Rings) -> Rings {
        guard settings.algorithm.isHash, areRingsStale else { return built }
        let former = rings
        rings = built
        areRingsStale = built.plan != plan
        return former
    }

    /// Turns go on where they were, within what the new weights can have led to: a weight that changes often must not
    /// send every next session to the first server.
    mutating func weightsChanged(defersRings: Bool = false) {
        let most = servers.reduce(0) { $0 + ($1.isRetired ? 0 : $1.weight) } * Server.weightSteps
        for index in servers.indices {
            servers[index].current = servers[index].isRetired ? 0 : min(max(servers[index].current, -most), most)
        }
        guard settings.algorithm.isHash else {
            rings = .empty
            areRingsStale = false
            return
        }
        let plan = plan
        areRingsStale = plan != rings.plan
        guard areRingsStale, !defersRings else { return }
        rings = plan.build()
        areRingsStale = false
    }

    private var plan: RingPlan { RingPlan(ordinary: members(backup: false), backups: members(backup: true)) }

    /// Usable or not: a server that comes and goes must not move the keys of others.
    private func members(backup: Bool) -> [HashRing.Member] {
        servers.indices.compactMap { index in
            let server = servers[index]
            guard !server.isRetired, server.weight > 0, server.settings.isBackup == backup else { return nil }
            return HashRing.Member(
                index: index, name: server.settings.name, host: server.settings.host, port: server.settings.port,
                weight: server.weight)
        }
    }
}
