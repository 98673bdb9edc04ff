// The members of one group on this host, and the state machine that keeps them together.

import Linux
import VRRP
import Wire

/// Passes on to a ``SyncGroup`` how its members stand, and its orders to them.
final class RouterGroup {
    let name: String
    private var group: SyncGroup
    private var members: [RouterDriver]
    /// The role of the whole, as last told.
    private(set) var role = VirtualRouter.Role.initialize
    /// Called when ``role`` has changed.
    var onRole: (VirtualRouter.Role) -> Void = { _ in }

    /// Joins the routers, which were told to be grouped; ``begin()`` hears how they stand.
    init(_ name: String, _ members: [RouterDriver]) {
        self.name = name
        self.members = members
        group = SyncGroup(name: name, members: members.map(\.name))
    }

    /// Hears each member for the first time, and from now on.
    func begin() {
        for member in members { member.group = self }
        for member in members { member.tellStanding() }
    }

    /// Lets the members go, barred by nobody: what another group says of them begins anew.
    func end() {
        let former = members
        members = []
        for member in former where member.group === self {
            member.group = nil
            member.feed(.listen)
        }
    }

    /// Whether it has exactly these members, in this order.
    func consists(of others: [RouterDriver]) -> Bool { members.elementsEqual(others) { $0 === $1 } }

    /// Hears how a member stands after everything it was told.
    func hear(_ standing: VirtualRouter.Standing, of member: RouterDriver) {
        guard let index = members.firstIndex(where: { $0 === member }) else { return }
        for order in group.handle(standing, of: index) where members.indices.contains(order.member) {
            members[order.member].feed(order.order)
        }
        noteRole()
    }

    private func noteRole() {
        let roles = members.map(\.router.role)
        let now: VirtualRouter.Role =
            if !roles.isEmpty, roles.allSatisfy({ $0 == .active }) {
                .active
            } else if roles.contains(.initialize) { .initialize } else { .backup }
        guard now != role else { return }
        role = now
        onRole(now)
    }

    /// The group's part of the status.
    var report: JSON {
        let phase =
            switch group.phase {
            case .barred(let member): "kept out by \(group.members[member])"
            case .listening: "listening"
            case .together: "together"
            }
        return [
            "name": .string(name), "state": .string(role.rawValue), "phase": .string(phase),
            "members": .array(group.members.map { .string($0) }), "claims": JSON(group.claims),
            "withdrawals": JSON(group.withdrawals),
        ]
    }
}
