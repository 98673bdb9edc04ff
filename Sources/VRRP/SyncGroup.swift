// Routers that move together: the IPv4 and the IPv6 address of one service, or the two sides of a firewall.

/// The state machine of a group of virtual routers on one node. Pure: the shell tells it how each member stands, and
/// passes its orders on to the members as ``VirtualRouter/Event/group(_:)``.
///
/// ```
///             a member cannot take part                     all members' time has come
///     barred ◀──────────────────────────── listening ───────────────────────────────────▶ together
///        └───────── nobody is unable ─────────▶ ▲ ◀──── a member gives way or steps down ─────┘
/// ```
/// - One that cannot take part takes all out, and all come back when the last obstacle is gone.
/// - They claim when the time of **all** has come. While one of them still hears another router the others wait, so a
///   fault of one family on the wire is no split: the other family is the second heartbeat. It follows that the group
///   has to exist on both hosts.
/// - One that gives way takes all along, and all listen anew: no member is active on one host while another is active on
///   the other for longer than the orders take.
/// - Where two nodes claim at the same moment and each wins for one member, both withdraw. Then the node that lost the
///   first member, the leader, listens for an interval longer; so the second try has a winner.
///
/// After each event and each timeout of a member the shell calls ``handle(_:of:)`` with
/// ``VirtualRouter/standing(at:)`` **before** it handles anything else, and delivers the orders in their order; an order
/// is an event of a member too.
package struct SyncGroup: Sendable {
    /// Most members of one group.
    package static let maximumMembers = 16

    /// How the group stands.
    package enum Phase: Equatable, Sendable {
        /// This member cannot take part, so nobody does.
        case barred(by: Int)
        /// Not everybody's time has come.
        case listening
        /// All have been told to claim, or hold the addresses.
        case together
    }

    /// An order to one member.
    package struct Order: Equatable, Sendable {
        /// Which member, by its place in the group.
        package var member: Int
        /// What it is told.
        package var order: VirtualRouter.GroupOrder

        /// An order to the member at this place.
        package init(member: Int, order: VirtualRouter.GroupOrder) {
            self.member = member
            self.order = order
        }
    }

    /// What the group is called in reasons.
    package let name: String
    /// What the members are called in reasons; the first is the leader.
    package let members: [String]
    /// How the group stands.
    package private(set) var phase = Phase.listening
    /// Times the members were told to claim.
    package private(set) var claims: UInt64 = 0
    /// Times they were told to give way, or kept out, because of one.
    package private(set) var withdrawals: UInt64 = 0
    /// How the members stand, orders on their way included; `nil` before the first word of a member.
    private var standings: [VirtualRouter.Standing?]

    /// A group whose members have not been heard of. It decides nothing before each of them was, so that members are
    /// started one after the other without barring each other.
    package init(name: String, members: [String]) {
        precondition((1...Self.maximumMembers).contains(members.count), "a group of \(members.count) members")
        self.name = name
        self.members = members
        standings = Array(repeating: nil, count: members.count)
    }

    /// Takes in how a member stands now.
    ///
    /// - Returns: orders for the members, to be delivered in this order.
    package mutating func handle(_ standing: VirtualRouter.Standing, of member: Int) -> [Order] {
        guard standings[member] != standing else { return [] }
        standings[member] = standing
        guard !standings.contains(nil) else { return [] }
        if let unable = standings.firstIndex(where: { $0?.isUnable ?? false }) { return bar(by: unable) }
        switch phase {
        case .barred:
            phase = .listening
            // The last obstacle is gone; claiming is for later, when everybody has listened.
            return order(.listen, to: standings.indices.filter { standings[$0] == .barred }) {
                $0 = .following(hearsAnother: false)
            }
        case .listening: return considerClaim()
        case .together:
            // A member that was told to claim listens again: it gave way.
            guard let fallen = standings.firstIndex(where: { $0?.isFollowing ?? false }) else { return [] }
            return withdraw(because: fallen)
        }
    }

    private mutating func bar(by unable: Int) -> [Order] {
        guard case .unable(let reason) = standings[unable] else { return [] }
        if phase == .together { withdrawals += 1 }
        phase = .barred(by: unable)
        let others = standings.indices.filter { standings[$0]?.isUnable != true && standings[$0] != .barred }
        return order(.bar("\(members[unable]) of group \(name): \(reason)"), to: others) { $0 = .barred }
    }

    private mutating func considerClaim() -> [Order] {
        if standings.allSatisfy({ $0?.isReady ?? false }) {
            phase = .together
            claims += 1
            return order(.claim, to: standings.indices.filter { standings[$0] == .willing }) { $0 = .claiming }
        }
        // A member that found its address at the start is active before the others: not while one hears another router.
        guard standings.contains(where: { $0?.holds ?? false }),
            let other = standings.firstIndex(of: .following(hearsAnother: true))
        else { return [] }
        return withdraw(because: other)
    }

    private mutating func withdraw(because fallen: Int) -> [Order] {
        phase = .listening
        withdrawals += 1
        let words = "\(members[fallen]) of group \(name) gave way"
        return order(
            .withdraw(words, extraIntervals: fallen == 0 ? 1 : 0), to: standings.indices.filter { $0 != fallen }
        ) { standing in
            if standing?.isReady ?? false { standing = .following(hearsAnother: false) }
        }
    }

    /// Gives an order and reckons with its being obeyed; a member that cannot says so by standing otherwise.
    private mutating func order(
        _ order: VirtualRouter.GroupOrder, to receivers: [Int],
        expecting change: (inout VirtualRouter.Standing?) -> Void
    ) -> [Order] {
        for member in receivers { change(&standings[member]) }
        return receivers.map { Order(member: $0, order: order) }
    }
}

extension VirtualRouter.Standing {
    fileprivate var isUnable: Bool { if case .unable = self { true } else { false } }
    fileprivate var isFollowing: Bool { if case .following = self { true } else { false } }
    fileprivate var holds: Bool { self == .claiming || self == .active }
    /// Nothing keeps it from claiming, or it has.
    fileprivate var isReady: Bool { self == .willing || holds }
}
