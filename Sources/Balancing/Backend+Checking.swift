// Which checks begin, and when.

package import Wire

extension Backend {
    /// A check that was begun.
    package struct DueCheck: Hashable, Sendable {
        /// Index of the server.
        package let server: Int
        /// Whether the server was down: nobody waits for such a check as for one of a server that has sessions.
        package let isOfDownServer: Bool
    }

    /// The earliest instant at which a check wants to be started.
    package var nextDeadline: Instant? { nextDeadline(besidesDown: false) }

    /// The earliest instant at which a check wants to be started.
    ///
    /// - Parameter besidesDown: Leaves servers out that are down.
    package func nextDeadline(besidesDown: Bool) -> Instant? {
        var earliest: Instant?
        for index in servers.indices {
            guard let deadline = servers[index].health.nextDeadline, !(besidesDown && servers[index].health.isDown) else {
                continue
            }
            earliest = earliest.map { min($0, deadline) } ?? deadline
        }
        return earliest
    }

    /// Starts checks that are due, those that have waited longest first: the caller now owes one result for each of the
    /// servers returned.
    ///
    /// - Parameters:
    ///   - most: How many at most; the others stay due.
    ///   - mostDown: How many at most of servers that are down: such a check often takes all of its time, and must not
    ///     keep the others waiting.
    package mutating func startDueChecks(at now: Instant, most: Int = .max, mostDown: Int = .max) -> [DueCheck] {
        var waiting: [(deadline: Instant, check: DueCheck)] = []
        for index in servers.indices {
            guard let deadline = servers[index].health.nextDeadline, deadline <= now else { continue }
            waiting.append((deadline, DueCheck(server: index, isOfDownServer: servers[index].health.isDown)))
        }
        if waiting.count > min(most, mostDown) { waiting.sort { ($0.deadline, $0.check.server) < ($1.deadline, $1.check.server) } }
        var due: [DueCheck] = []
        var down = 0
        for (_, check) in waiting where due.count < most && (!check.isOfDownServer || down < mostDown) {
            _ = servers[check.server].health.handle(.checkStarted, at: now)
            due.append(check)
            if check.isOfDownServer { down += 1 }
        }
        return due
    }
}
