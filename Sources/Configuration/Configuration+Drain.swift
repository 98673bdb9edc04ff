// How sessions end when the daemon is stopped: as values.

extension Configuration {
    /// `drain { rate R; deadline D }`.
    package struct DrainSettings: Hashable, Sendable {
        /// Most sessions that are ended in a second, before anything else stops; `nil`: all at once.
        package var rate: Int?
        /// When sessions that have not ended are cut.
        package var deadline: Duration = .seconds(2)

        package init() {}
    }
}
