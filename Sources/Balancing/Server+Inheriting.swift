// The places of a former process's servers, whose sessions live on.

import Wire

extension Server {
    /// The place of a former process's server: only its name is known, which is all that its sessions need.
    init(inherited name: String, seed: UInt64, at now: Instant) {
        self.init(
            settings: Settings(name: name, host: "", port: 0), weight: 0,
            health: HealthState(nil, administrative: .maintenance, seed: seed, at: now))
        isRetired = true
        isReserved = true
    }

    /// Whether it is known by its name alone.
    package var isPlaceless: Bool { settings.host.isEmpty }

    /// Whether it is the place of a former process's server of that name, which nobody has taken yet.
    func awaits(_ name: String) -> Bool { isRetired && isPlaceless && settings.name == name && !health.isCheckInFlight }

    /// Comes to stand at another's index: the sessions that are there are this one's.
    mutating func takeOver(_ former: Server) {
        connections = former.connections
        isReserved = former.isReserved
    }
}
