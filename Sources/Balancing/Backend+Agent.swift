// What an agent's word does to its server.

package import Wire

extension Backend {
    /// Takes in the report of a server's agent; it is the result of the check that was in flight.
    ///
    /// - Parameter defersRings: As in ``setWeight(_:server:by:defersRings:)``.
    /// - Returns: The change to tell, if there is one.
    package mutating func handle(
        _ report: AgentReport, server: Int, at now: Instant, defersRings: Bool = false
    ) -> HealthState.Transition? {
        switch report.wish {
        case .drain, .maint: servers[server].isDrainedByAgent = true
        case .ready: servers[server].isDrainedByAgent = false
        case nil: break
        }
        if let percent = report.weightPercent, !servers[server].isRetired {
            // Relative to the file, as HAProxy does; what the operator set by hand gives way.
            let weight = servers[server].settings.weight * percent
            setWeight(
                min(Server.Settings.weights.upperBound, (weight + 99) / 100), server: server, by: .agent,
                defersRings: defersRings)
        }
        switch report.operation {
        case .down, .failed, .stopped:
            let word = report.operation?.rawValue ?? ""
            let text = report.remark.map { "\(word), \($0)" } ?? word
            return handle(.checkFailed(.agent(text)), server: server, at: now)
        case .up, nil:
            let isDrained = servers[server].isDrainedByAgent
            return handle(isDrained ? .checkDraining(.agent) : .checkPassed, server: server, at: now)
        }
    }
}
