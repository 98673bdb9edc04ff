// Changes of servers' status on their way to the main thread.

import Balancing

/// What has changed and was not told yet, oldest first.
///
/// Beyond ``limit`` changes of one server are put together: in between states are lost, where a server stands never. So
/// there are at most ``limit`` and one for each server.
struct ServerNews: Sendable {
    /// A change of one server's status.
    struct News: Sendable {
        let server: Int
        let transition: HealthState.Transition
    }

    /// Most changes that are kept one by one; the main thread fetches them within milliseconds.
    static let limit = 1024

    private var news: [News] = []
    /// Changes that were put together with the one before.
    private(set) var merged: UInt64 = 0

    /// A server's status changed; `nil`: it did not.
    mutating func add(_ transition: HealthState.Transition?, of server: Int) {
        guard let transition else { return }
        guard news.count >= Self.limit, let last = news.lastIndex(where: { $0.server == server }) else {
            news.append(News(server: server, transition: transition))
            return
        }
        merged += 1
        let first = news.remove(at: last).transition
        news.append(
            News(
                server: server,
                transition: HealthState.Transition(
                    from: first.from, to: transition.to, cause: transition.cause, since: first.since)))
    }

    /// Everything since the last call.
    mutating func fetch() -> [News] {
        defer { news.removeAll() }
        return news
    }
}
