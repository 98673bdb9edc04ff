// The children's entry: the supervisor starts this program again with a role for its only argument.

import Control
import Failover
import Linux
import Proxy

/// `understudy vip` and `understudy balancer`: for the supervisor, not for people, and so not in the usage.
enum RoleCommands {
    /// Lives as the child of that name; `nil` when it is no role.
    static func run(_ name: String) -> Int32? {
        switch ChildProcess.Role(rawValue: name) {
        case .vip: VipChild.main()
        case .balancer: balancer()
        case nil: nil
        }
    }

    private static func balancer() -> Int32 {
        // Otherwise it would be called by what it was started from: `exe`.
        ProcessSelf.setName("understudy-bal")
        return BalancerProcess.run()
    }
}
