// Two nodes with two grouped routers each, on virtual time, and faults of single members.

import VRRP
import Wire

/// A run under one seed: links of each member's network are cut, kernels refuse, interfaces go, nodes hand over.
struct GroupSimulation {
    /// Where a message or report goes.
    struct Place: Hashable {
        var node: Int
        var member: Int
    }

    enum Content {
        case advertisement([UInt8])
        case kernelClaims(VirtualRouter.Attempt, errno: Int32?)
        case kernelReleases
        case event(Event)
        case cut(Bool)
        case heal
    }

    static let members = 2
    var generator: SeededGenerator
    var now = Instant.zero
    var routers: [[VirtualRouter]] = []
    private(set) var groups: [SyncGroup] = []
    private var queue: [(at: Instant, order: Int, to: Place, content: Content)] = []
    private var order = 0
    /// Networks of members that carry nothing in one direction: receiver.
    private var deaf: Set<Place> = []
    private var isStormy = false
    private var shows: Set<Place> = []
    private var kernelBusyUntil: [Place: Instant] = [:]
    private(set) var transitions = 0
    private(set) var violations: [String] = []
    /// Since when both nodes have held something, and the longest such time from `watchFrom` on.
    private var splitSince: Instant?
    private(set) var longestSplit = Duration.zero
    var watchFrom = Instant.distantFuture

    /// - Parameter priorities: of each node's members.
    init(seed: UInt64, priorities: [[UInt8]]) {
        generator = SeededGenerator(seed: seed)
        for node in 0..<2 {
            routers.append(
                (0..<Self.members).map { member in
                    let place = Place(node: node, member: member)
                    let peer = Place(node: 1 - node, member: member)
                    return VirtualRouter(
                        .init(
                            routerID: UInt8(1 + member), priority: priorities[node][member],
                            addresses: [.v4(IPv4Address(10, 0, UInt8(member), 10))], peers: [Self.address(peer)],
                            isGrouped: true)
                    ).told(.source(Self.address(place)))
                })
            groups.append(SyncGroup(name: "g", members: ["v4", "v6"]))
        }
    }

    /// Higher on node 1 for the first member and on node 0 for the second, so that ties go crosswise.
    static func address(_ place: Place) -> IPAddress {
        .v4(IPv4Address(10, 0, UInt8(place.member), UInt8(11 + (place.node ^ place.member))))
    }

    var places: [Place] {
        (0..<2).flatMap { node in (0..<Self.members).map { Place(node: node, member: $0) } }
    }

    func isActive(_ place: Place) -> Bool { routers[place.node][place.member].role == .active }
    /// The nodes that hold everything.
    var whole: [Int] {
        (0..<2).filter { node in (0..<Self.members).allSatisfy { isActive(.init(node: node, member: $0)) } }
    }
    /// How many addresses are on any node.
    var shownCount: Int { shows.count }
    var holders: Set<Int> { Set(places.filter { shows.contains($0) }.map(\.node)) }

    mutating func start(_ node: Int) {
        for member in 0..<Self.members {
            for event: Event in [.interface(up: true), .ready(true, reason: ""), .started(holding: false)] {
                tell(.init(node: node, member: member), event)
            }
        }
    }

    mutating func schedule(_ content: Content, to place: Place, after delay: Duration) {
        order += 1
        queue.append((now + delay, order, place, content))
    }

    mutating func storm(until end: Duration) {
        isStormy = true
        var at = Duration.milliseconds(500)
        while at < end {
            let place = places.randomElement(using: &generator) ?? places[0]
            let content: Content
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<30: content = .cut(true)
            case 30..<60: content = .cut(false)
            case 60..<70: content = .event(.interface(up: false))
            case 70..<82: content = .event(.interface(up: true))
            case 82..<88: content = .event(.addressLost(Self.address(place)))
            case 88..<92: content = .event(.stepDown(for: nil))
            case 92..<96: content = .event(.ready(false, reason: "storm"))
            default: content = .event(.ready(true, reason: ""))
            }
            schedule(content, to: place, after: at)
            at += generator.milliseconds(20...500)
        }
        schedule(.heal, to: places[0], after: end)
    }

    mutating func run(until end: Instant) {
        while true {
            let delivery = queue.indices.min { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }
            let deliveryAt = delivery.map { queue[$0].at } ?? .distantFuture
            let waker = places.min { deadline($0) < deadline($1) } ?? places[0]
            let next = min(deliveryAt, deadline(waker))
            guard next <= end else { break }
            now = max(now, next)
            if let delivery, deliveryAt <= deadline(waker) {
                let item = queue.remove(at: delivery)
                deliver(item.content, to: item.to)
            } else {
                obey(waker, routers[waker.node][waker.member].timeout(at: now))
            }
            watch()
        }
        now = end
        watch()
    }

    private func deadline(_ place: Place) -> Instant {
        routers[place.node][place.member].nextDeadline ?? .distantFuture
    }

    private mutating func tell(_ place: Place, _ event: Event) {
        obey(place, routers[place.node][place.member].handle(event, at: now))
    }

    /// Obeys the router, then tells the group how it stands, then delivers the group's orders: as a shell must.
    private mutating func obey(_ place: Place, _ actions: VirtualRouter.Actions) {
        for action in actions {
            switch action {
            case .advertise(let priority): send(priority, from: place)
            case .claim(let attempt):
                let refused = isStormy && generator.chance(10)
                ask(.kernelClaims(attempt, errno: refused ? 1 : nil), of: place)
            case .release: ask(.kernelReleases, of: place)
            case .transition: transitions += 1
            case .announce, .drain, .refused: break
            }
        }
        let standing = routers[place.node][place.member].standing(at: now)
        for order in groups[place.node].handle(standing, of: place.member) {
            tell(.init(node: place.node, member: order.member), .group(order.order))
        }
    }

    /// The kernel works in the order it was asked.
    private mutating func ask(_ work: Content, of place: Place) {
        let done = max(now + generator.milliseconds(1...2), kernelBusyUntil[place] ?? .zero)
        kernelBusyUntil[place] = done
        schedule(work, to: place, after: done - now)
    }

    private mutating func send(_ priority: UInt8, from place: Place) {
        let peer = Place(node: 1 - place.node, member: place.member)
        if priority > 0, !shows.contains(place) {
            violations.append("\(place) advertised what its kernel does not show, at \(now)")
        }
        guard !deaf.contains(peer), !(isStormy && generator.chance(10)) else { return }
        let bytes = routers[place.node][place.member].advertisement(priority: priority)
            .write(from: Self.address(place), to: Self.address(peer), checksum: .pseudoHeader)
        schedule(.advertisement(bytes), to: peer, after: generator.milliseconds(0...(isStormy ? 60 : 3)))
    }

    private mutating func deliver(_ content: Content, to place: Place) {
        switch content {
        case .advertisement(let bytes):
            let from = Self.address(.init(node: 1 - place.node, member: place.member))
            let to = Self.address(place)
            do {
                let read = try Advertisement(parsing: bytes.span, from: from, to: to, hopLimit: 255)
                tell(place, .received(read, from: from, to: to))
            } catch {
                violations.append("refused: \(error.rawValue)")
            }
        case .kernelClaims(let attempt, let errno):
            if let errno { return tell(place, .addressClaimFailed(attempt, errno: errno)) }
            shows.insert(place)
            tell(place, .addressesClaimed(attempt))
        case .kernelReleases:
            shows.remove(place)
            tell(place, .addressesReleased)
        case .event(let event):
            if case .addressLost = event {
                guard shows.remove(place) != nil else { return }
            }
            tell(place, event)
        case .cut(let isCut): if isCut { deaf.insert(place) } else { deaf.remove(place) }
        case .heal:
            isStormy = false
            deaf = []
            for place in places {
                tell(place, .interface(up: true))
                tell(place, .ready(true, reason: ""))
            }
        }
    }

    private mutating func watch() {
        if let since = splitSince, now >= watchFrom { longestSplit = max(longestSplit, now - max(since, watchFrom)) }
        if holders.count < 2 { splitSince = nil } else if splitSince == nil { splitSince = now }
    }
}

extension VirtualRouter {
    fileprivate func told(_ event: Event) -> VirtualRouter {
        var router = self
        _ = router.handle(event, at: .zero)
        return router
    }
}
