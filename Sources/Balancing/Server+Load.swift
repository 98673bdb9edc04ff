// How much a server may be given now: its limit, and its weight while it warms up.

package import Wire

extension Server {
    /// Whether it has as many sessions as it may have.
    package var isFull: Bool { settings.maximumConnections.map { connections >= $0 } ?? false }

    /// Steps of a weight that grows: a server of weight 1 has to begin with less than 1 too.
    static let weightSteps = 256

    /// ``weight`` in steps; less, though never 0, while the server came back less than its slow start ago.
    package func effectiveWeight(at now: Instant) -> Int {
        let full = weight * Server.weightSteps
        guard full > 0, let begin = slowStartBegan else { return full }
        let elapsed = max(0, (now - begin).nanoseconds)
        let whole = settings.slowStart.nanoseconds
        guard elapsed < whole else { return full }
        // At most 2^16 times a fraction: exact enough, and no overflow whatever the durations.
        return max(1, Int(Double(full) * Double(elapsed) / Double(whole)))
    }

    /// Takes in that its health changed.
    mutating func healthChanged(_ transition: HealthState.Transition, at now: Instant) {
        guard settings.slowStart > .zero, health.isUsable else { return }
        switch transition.from {
        // Away for a reason of its own: its caches are cold, and everybody would come at once.
        case .down, .goingUp, .maintenance, .busy: slowStartBegan = now
        case .unchecked, .up, .goingDown, .drain: break
        }
    }

    /// Until when its weight grows; `nil`: it has all of it.
    package func slowStartEnd(at now: Instant) -> Instant? {
        guard let begin = slowStartBegan, now < begin + settings.slowStart else { return nil }
        return begin + settings.slowStart
    }
}
