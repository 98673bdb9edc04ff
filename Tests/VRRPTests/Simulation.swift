// Whole nodes on virtual time, and a network that delays, drops, repeats, reorders and splits.

import VRRP
import Wire

/// A run of some nodes under one seed. The same seed gives the same run.
struct Simulation {
    /// What the nodes have in common and what may happen to them.
    struct Plan {
        var preempt = VirtualRouter.Settings.Preempt.never
        var kernelRefuses = false
        var stepsDown = false
        var interval = Duration.milliseconds(100)
        var version = Advertisement.Version.three
        /// Whether advertisements are sealed, with a replay of every tenth by somebody on the wire.
        var isSealed = false
        /// Whether the nodes tell each other over a pair link that no fault of the network touches.
        var hasPairLink = false
        /// Whether tracked things come and go.
        var hasWeights = false
    }

    static let virtual = IPAddress.v4(IPv4Address(10, 0, 0, 10))
    static let slowestPacket = Duration.milliseconds(300)

    var generator: SeededGenerator
    let plan: Plan
    var now = Instant.zero
    var nodes: [SimulationNode] = []
    private var queue: [SimulationDelivery] = []
    private var order = 0
    /// Links that are cut, as `from * 8 + to`.
    private var cut: Set<Int> = []
    /// Whether the network and the kernels misbehave.
    var isStormy = false
    private var lossPercent = 0
    /// Since when more than one node has been active; `nil` while not.
    private var doubleSince: Instant?
    /// The longest time during which more than one node was active, counted from `watchFrom`.
    private(set) var longestDouble = Duration.zero
    var watchFrom = Instant.distantFuture
    /// Captures that somebody sent again.
    private(set) var replaysRefused = 0
    private(set) var replaysBelieved = 0
    /// Broken promises, in words.
    private(set) var violations: [String] = []

    init(seed: UInt64, nodes count: Int, plan: Plan) {
        generator = SeededGenerator(seed: seed)
        self.plan = plan
        for index in 0..<count {
            let settings = VirtualRouter.Settings(
                version: plan.version, routerID: 51,
                priority: UInt8(generator.chance(15) ? 100 : 100 + 50 * (count - 1 - index)),
                interval: plan.interval, preempt: plan.preempt, addresses: [Self.virtual],
                peers: (0..<count).filter { $0 != index }.map(SimulationNode.address))
            nodes.append(SimulationNode(index: index, settings: settings))
        }
    }

    var active: [Int] { nodes.filter(\.isActive).map(\.index) }
    var transitions: Int { nodes.reduce(0) { $0 + $1.transitions } }

    mutating func schedule(_ content: SimulationDelivery.Content, to: Int, after delay: Duration) {
        order += 1
        queue.append(SimulationDelivery(at: now + delay, order: order, to: to, content: content))
    }

    /// A node begins, ready to serve.
    mutating func start(_ index: Int, holding: Bool = false) {
        for event: Event in [
            .interface(up: true), .source(nodes[index].address), .ready(true, reason: "serving"), .inSync(true),
            .started(holding: holding),
        ] { tell(index, event) }
        if plan.hasPairLink { nodes[index].nextReport = now }
    }

    /// Everything that happens until `end`.
    mutating func run(until end: Instant) {
        while true {
            let delivery = queue.indices.min { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }
            let node = nodes.indices.min { nodes[$0].wakesAt < nodes[$1].wakesAt } ?? 0
            let deliveryAt = delivery.map { queue[$0].at } ?? .distantFuture
            let next = min(deliveryAt, nodes[node].wakesAt)
            guard next <= end else { break }
            now = max(now, next)
            if let delivery, deliveryAt <= nodes[node].wakesAt {
                deliver(queue.remove(at: delivery))
            } else {
                wake(node)
            }
            watch()
        }
        now = end
        watch()
    }

    // MARK: The nodes

    /// A stopped node continues: it reads its sockets empty, then looks at its timers.
    private mutating func wake(_ index: Int) {
        if nodes[index].stoppedUntil != nil {
            nodes[index].stoppedUntil = nil
            let inbox = nodes[index].inbox
            nodes[index].inbox = []
            for event in inbox { tell(index, event) }
        }
        if let next = nodes[index].nextReport, now >= next { reportToPeers(index) }
        obey(index, nodes[index].router.timeout(at: now))
    }

    /// What the node is, over the pair link: in order, never lost.
    private mutating func reportToPeers(_ index: Int) {
        nodes[index].nextReport = now + plan.interval
        let router = nodes[index].router
        let report = VirtualRouter.PeerReport(
            role: router.role == .active && !router.isAdvertising ? .claiming : router.role,
            priority: router.settings.priority, address: nodes[index].address, isWilling: router.isWilling(at: now))
        for to in nodes.indices where to != index { schedule(.report(report), to: to, after: .milliseconds(1)) }
    }

    private mutating func tell(_ index: Int, _ event: Event) {
        if nodes[index].stoppedUntil != nil { return nodes[index].inbox.append(event) }
        obey(index, nodes[index].router.handle(event, at: now))
    }

    private mutating func obey(_ index: Int, _ actions: VirtualRouter.Actions) {
        for action in actions {
            switch action {
            case .advertise(let priority):
                if priority > 0, !nodes[index].kernelShows {
                    violations.append("node \(index) advertised an address its kernel does not show, at \(now)")
                }
                send(nodes[index].router.advertisement(priority: priority), from: index)
                if plan.hasPairLink { reportToPeers(index) }
            case .claim(let attempt):
                let refused = isStormy && plan.kernelRefuses && generator.chance(30)
                ask(index, .kernelClaims(attempt, errno: refused ? 1 : nil))
            case .release: ask(index, .kernelReleases)
            case .transition(_, let to, _):
                nodes[index].transitions += 1
                if to == .active { nodes[index].becameActive += 1 }
            case .announce, .drain, .refused: break
            }
        }
    }

    /// The kernel works in the order it was asked, after a while.
    private mutating func ask(_ index: Int, _ work: SimulationDelivery.Content) {
        let lag = generator.milliseconds(isStormy ? 0...30 : 0...3)
        let done = max(now + lag, nodes[index].kernelBusyUntil)
        nodes[index].kernelBusyUntil = done
        schedule(work, to: index, after: done - now)
    }

    // MARK: The network

    private mutating func send(_ advertisement: Advertisement, from: Int) {
        for to in nodes.indices where to != from && !cut.contains(from * 8 + to) {
            if isStormy, generator.chance(lossPercent) { continue }
            let bytes = nodes[from].write(
                advertisement, to: nodes[to].address, isSealed: plan.isSealed, wall: now - .zero)
            for _ in 0..<(isStormy && generator.chance(10) ? 2 : 1) {
                let slow = isStormy && generator.chance(10)
                let delay = generator.milliseconds(slow ? 0...Int(Self.slowestPacket.wholeMilliseconds) : 0...5)
                schedule(.packet(bytes, from: nodes[from].address), to: to, after: delay)
            }
            if plan.isSealed, generator.chance(10) {
                let later = generator.milliseconds(400...20_000)
                schedule(.replay(bytes, from: nodes[from].address), to: to, after: later)
            }
        }
    }

    private mutating func deliver(_ delivery: SimulationDelivery) {
        let index = delivery.to
        switch delivery.content {
        case .packet(let bytes, let from):
            do {
                let read = try nodes[index].read(bytes, from: from, isSealed: plan.isSealed, wall: now - .zero)
                tell(index, .received(read, from: from, to: nodes[index].address))
            } catch {
                // Sealed, what the network repeats or overtakes is refused: as good as lost.
                guard plan.isSealed, error == .hmacReplayed else {
                    return violations.append("an advertisement of ours was refused: \(error.rawValue)")
                }
                tell(index, .refused(error, from: from))
            }
        case .replay(let bytes, let from):
            do {
                _ = try nodes[index].read(bytes, from: from, isSealed: true, wall: now - .zero)
                // The original was lost, and no younger one has arrived yet.
                replaysBelieved += 1
            } catch {
                replaysRefused += 1
            }
        case .report(let report): tell(index, .peerAlive(report, at: now))
        case .kernelClaims(let attempt, let errno):
            if let errno { return tell(index, .addressClaimFailed(attempt, errno: errno)) }
            nodes[index].kernelShows = true
            tell(index, .addressesClaimed(attempt))
        case .kernelReleases:
            nodes[index].kernelShows = false
            tell(index, .addressesReleased)
        case .fault(let fault): apply(fault, to: index)
        }
    }

    private mutating func apply(_ fault: SimulationFault, to index: Int) {
        switch fault {
        case .stop(let duration): nodes[index].stoppedUntil = now + duration
        case .removeAddress:
            // Only while the node runs: a stopped one hears of it late, and until then cannot know better.
            guard nodes[index].stoppedUntil == nil, nodes[index].kernelShows else { return }
            nodes[index].kernelShows = false
            tell(index, .addressLost(Self.virtual))
        case .ready(let ready): tell(index, .ready(ready, reason: ready ? "serving" : "balancer silent"))
        case .interface(let up): tell(index, .interface(up: up))
        case .stepDown: tell(index, .stepDown(for: nil))
        case .weight(let sum): tell(index, .weight(sum, isImpaired: sum < 0))
        case .restart:
            // What the old process had asked of the kernel is done or never will be.
            queue.removeAll {
                guard $0.to == index else { return false }
                switch $0.content {
                case .kernelClaims, .kernelReleases: return true
                case .packet, .replay, .report, .fault: return false
                }
            }
            nodes[index].stoppedUntil = nil
            nodes[index].inbox = []
            nodes[index].router = VirtualRouter(nodes[index].settings)
            nodes[index].forgetSeals()
            start(index, holding: nodes[index].kernelShows)
        case .reload: tell(index, .configure(nodes[index].settings))
        case .cut(let from):
            cut.insert(from * 8 + index)
            if generator.chance(60) { cut.insert(index * 8 + from) }
        case .mend: cut = []
        case .heal:
            cut = []
            isStormy = false
            lossPercent = 0
            for node in nodes.indices {
                if nodes[node].stoppedUntil != nil { nodes[node].stoppedUntil = now }
                tell(node, .ready(true, reason: "serving"))
                tell(node, .interface(up: true))
            }
        }
    }

    /// Draws faults until `end`, when everything heals.
    mutating func storm(until end: Duration) {
        isStormy = true
        lossPercent = [0, 0, 5, 30, 80][Int.random(in: 0..<5, using: &generator)]
        var at = Duration.milliseconds(500)
        while at < end {
            let index = Int.random(in: 0..<nodes.count, using: &generator)
            let fault: SimulationFault
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<25: fault = .stop(generator.milliseconds(50...2000))
            case 25..<45: fault = .cut(from: (index + 1) % nodes.count)
            case 45..<50 where plan.hasWeights:
                fault = .weight(Int.random(in: -120...120, using: &generator))
            case 45..<60: fault = .mend
            case 60..<66: fault = .removeAddress
            case 66..<72: fault = .ready(false)
            case 72..<80: fault = .ready(true)
            case 80..<84: fault = .interface(false)
            case 84..<90: fault = .interface(true)
            case 90..<94: fault = .restart
            case 94..<97: fault = .reload
            default: fault = plan.stepsDown ? .stepDown : .mend
            }
            schedule(.fault(fault), to: index, after: at)
            at += generator.milliseconds(20...600)
        }
        schedule(.fault(.heal), to: 0, after: end)
    }

    // MARK: The watch

    private mutating func watch() {
        if let since = doubleSince, now >= watchFrom {
            longestDouble = max(longestDouble, now - max(since, watchFrom))
        }
        if active.count < 2 {
            doubleSince = nil
        } else if doubleSince == nil {
            doubleSince = now
        }
    }
}
