// How long a planned release may take.

extension Configuration {
    /// Most time that hooks get altogether when a node ends.
    package static let longestHookTime: Duration = .seconds(120)

    /// How long hooks may run when this node ends: those of one router run one after the other, those of several routers at the same
    /// time. At most ``longestHookTime``.
    package var hookTimeAtEnd: Duration {
        let times = routers.map { router in router.hooks.reduce(Duration.zero) { $0 + $1.timeout } }
        return min(times.max() ?? .zero, Self.longestHookTime)
    }
}
