// What a child process finds when it starts, and what is expected of it.

/// The contract between the supervisor and the processes it starts.
///
/// A child is this same program with its role as the only argument (`understudy vip`, `understudy balancer`). It finds its
/// end of the control socket at ``controlDescriptor`` (wrap it in a ``ControlChannel``), standard error for its log, and
/// nothing else. It drops its privileges first, before it reads a byte of a stranger. Its configuration arrives as
/// `descriptors` messages and one `prepare`, as it does for every later reload. It beats from its start on.
///
/// End of file on the control socket means that the supervisor is gone and nobody follows it: `vip` sends priority 0,
/// releases its addresses and exits; the balancer exits. The keeper ends whom that does not reach.
package enum ChildProcess {
    /// The two children of the supervisor.
    package enum Role: String, Hashable, Sendable, CaseIterable, Comparable {
        /// All bytes of clients.
        case balancer
        /// The virtual address.
        case vip

        package static func < (a: Role, b: Role) -> Bool { a.rawValue < b.rawValue }
    }

    /// The number of the control socket in the child.
    package static let controlDescriptor: Int32 = 3
    /// How often a child sends ``ChildMessage/beat``.
    package static let beatInterval: Duration = .milliseconds(100)
    /// How often the balancer sends a ``BalancerBeat`` to `vip`.
    package static let linkBeatInterval: Duration = .milliseconds(50)
    /// The exit status of a balancer that makes room for another program (``SupervisorMessage/handOver(program:)``).
    package static let handOverStatus: Int32 = 75
    /// The real-time priority of the balancer's thread that repeats its beats: above every ordinary thread, below `vip`.
    package static let heartbeatPriority: Int32 = 1
    /// Name of the environment variable with the user the balancer runs as when started by root. Absent: stay as is.
    package static let userVariable = "UNDERSTUDY_USER"
}
