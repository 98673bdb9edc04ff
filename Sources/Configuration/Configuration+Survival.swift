// What holds when sessions cannot be kept beyond the balancer that served them.

extension Configuration {
    /// `close-spread` when it is not written.
    package static let usualCloseSpread: Duration = .seconds(2)
}
