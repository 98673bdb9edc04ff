// What must hold for every seed: one active router once the network is quiet, and never two for long.

import Testing
import VRRP
import Wire

@Suite struct SimulationTests {
    /// Runs a storm, heals it, and checks the promises. `settle` is what the nodes may need after the last packet of
    /// the storm has arrived.
    private func weather(
        seed: UInt64, nodes: Int, plan: Simulation.Plan, settle: Duration, test: String
    ) {
        let replay = Seeds.replay(seed, test)
        var simulation = Simulation(seed: seed, nodes: nodes, plan: plan)
        for index in 0..<nodes { simulation.start(index) }
        let end = simulation.generator.milliseconds(2000...8000)
        simulation.storm(until: end)
        let quiet = Instant.zero + end + Simulation.slowestPacket
        simulation.watchFrom = quiet
        simulation.run(until: quiet + settle)
        #expect(simulation.active.count == 1, "\(simulation.active) are active; \(replay)")
        // Preemption may still come after its delay; after that nothing has a cause to change.
        simulation.run(until: quiet + settle + .seconds(2))
        let settled = simulation.transitions
        let active = simulation.active
        simulation.run(until: quiet + settle + .seconds(6))
        #expect(simulation.transitions == settled, "transitions without a cause; \(replay)")
        #expect(simulation.active == active && active.count == 1, "\(simulation.active) are active; \(replay)")
        #expect(simulation.nodes.count(where: \.kernelShows) == 1, "an address was left behind; \(replay)")
        #expect(
            simulation.longestDouble <= plan.interval + .milliseconds(100),
            "two active for \(simulation.longestDouble); \(replay)")
        #expect(simulation.violations.isEmpty, "\(simulation.violations); \(replay)")
    }

    /// A down interval of the lowest priority, the extra listening of a late waker, and slack for kernel and network.
    private let settle = Duration.milliseconds(361 + 161 + 100)

    @Test func twoNodesAgreeAfterAStorm() {
        for seed in Seeds.upTo(300) {
            weather(seed: seed, nodes: 2, plan: .init(), settle: settle, test: "twoNodesAgreeAfterAStorm")
        }
    }

    @Test func threeNodesAgreeAfterAStorm() {
        for seed in Seeds.upTo(150) {
            weather(seed: seed, nodes: 3, plan: .init(), settle: settle, test: "threeNodesAgreeAfterAStorm")
        }
    }

    @Test func preemptingNodesAgreeAfterAStorm() {
        for seed in Seeds.upTo(150) {
            let plan = Simulation.Plan(preempt: .after(seed % 2 == 0 ? .zero : .milliseconds(500)))
            weather(seed: seed, nodes: 2, plan: plan, settle: settle, test: "preemptingNodesAgreeAfterAStorm")
        }
    }

    /// Refusing kernels and operators who hand over leave pauses behind, which have bounds of their own.
    @Test func nodesWithRefusingKernelsAgreeAfterTheirPauses() {
        let pauses = VirtualRouter.Bounds.longestClaimPause + VirtualRouter.Bounds.stepDownHold
        for seed in Seeds.upTo(150) {
            weather(
                seed: seed, nodes: 2, plan: .init(kernelRefuses: true, stepsDown: true), settle: settle + pauses,
                test: "nodesWithRefusingKernelsAgreeAfterTheirPauses")
        }
    }

    /// With a good network, who comes first stays, and the others never move.
    @Test func withoutFaultsTheFirstStays() {
        for seed in Seeds.upTo(100) {
            var simulation = Simulation(seed: seed, nodes: 3, plan: .init())
            simulation.watchFrom = .zero
            var start = Instant.zero
            for index in [2, 0, 1] {
                simulation.run(until: start)
                simulation.start(index)
                start += simulation.generator.milliseconds(600...2000)
            }
            simulation.run(until: .zero + .seconds(20))
            let replay = Seeds.replay(seed, "withoutFaultsTheFirstStays")
            #expect(simulation.active == [2], "\(replay)")
            #expect(simulation.nodes.map(\.becameActive) == [0, 0, 1], "\(replay)")
            #expect(simulation.longestDouble == .zero, "\(replay)")
        }
    }

    /// Started at the same time, they settle within an interval.
    @Test func nodesThatStartTogetherSettle() {
        for seed in Seeds.upTo(100) {
            var simulation = Simulation(seed: seed, nodes: 3, plan: .init())
            simulation.watchFrom = .zero
            for index in 0..<3 { simulation.start(index) }
            simulation.run(until: .zero + .seconds(2))
            let replay = Seeds.replay(seed, "nodesThatStartTogetherSettle")
            #expect(simulation.active.count == 1, "\(replay)")
            #expect(simulation.longestDouble <= .milliseconds(200), "\(replay)")
            #expect(simulation.violations.isEmpty, "\(simulation.violations); \(replay)")
        }
    }

    /// One stall of the active node causes at most one switch, whatever the priorities and however long.
    @Test func oneStallIsAtMostOneSwitch() {
        for seed in Seeds.upTo(200) {
            var simulation = Simulation(seed: seed, nodes: 2, plan: .init())
            simulation.start(0)
            simulation.run(until: .zero + .seconds(1))
            simulation.start(1)
            simulation.run(until: .zero + .seconds(2))
            let stall = simulation.generator.milliseconds(20...5000)
            simulation.schedule(.fault(.stop(stall)), to: 0, after: .zero)
            simulation.run(until: .zero + .seconds(10))
            let replay = Seeds.replay(seed, "oneStallIsAtMostOneSwitch")
            #expect(simulation.active.count == 1, "\(replay)")
            #expect(simulation.nodes[0].becameActive == 1, "stalled for \(stall); \(replay)")
            #expect(simulation.nodes[1].becameActive <= 1, "stalled for \(stall); \(replay)")
        }
    }

    // MARK: Versions, seals, weights

    /// A second of version 2 is ten times as long, and so is everything that follows from it.
    @Test func nodesOfVersion2AgreeAfterAStorm() {
        for seed in Seeds.upTo(100) {
            weather(
                seed: seed, nodes: 2, plan: .init(interval: .seconds(1), version: .two),
                settle: .milliseconds(3_609 + 1_609 + 100), test: "nodesOfVersion2AgreeAfterAStorm")
        }
    }

    @Test func sealedNodesAgreeAfterAStorm() {
        for seed in Seeds.upTo(40) {
            weather(
                seed: seed, nodes: 2, plan: .init(isSealed: true), settle: settle, test: "sealedNodesAgreeAfterAStorm")
        }
    }

    @Test func replaysOfEverythingMoveNothing() {
        var refused = 0
        for seed in Seeds.upTo(20) {
            var simulation = Simulation(seed: seed, nodes: 2, plan: .init(isSealed: true))
            simulation.start(0)
            simulation.run(until: .zero + .seconds(1))
            simulation.start(1)
            simulation.run(until: .zero + .seconds(25))
            #expect(simulation.replaysBelieved == 0, "\(Seeds.replay(seed, "replaysOfEverythingMoveNothing"))")
            refused += simulation.replaysRefused
        }
        #expect(refused > 10)
    }

    @Test func nodesWithWeightsAgreeAfterAStorm() {
        for seed in Seeds.upTo(150) {
            let preempt: VirtualRouter.Settings.Preempt = seed % 2 == 0 ? .never : .after(.milliseconds(300))
            weather(
                seed: seed, nodes: 2, plan: .init(preempt: preempt, hasWeights: true), settle: settle,
                test: "nodesWithWeightsAgreeAfterAStorm")
        }
    }

    // MARK: The pair link

    @Test func nodesWithAPairLinkAgreeAfterAStorm() {
        for seed in Seeds.upTo(150) {
            weather(
                seed: seed, nodes: 2, plan: .init(hasPairLink: true, hasWeights: seed % 3 == 0), settle: settle,
                test: "nodesWithAPairLinkAgreeAfterAStorm")
        }
    }

    /// Only the advertisements are lost, in one direction or both, for a long time: never two, and no switch.
    @Test func lostAdvertisementsAloneSplitNothing() {
        for seed in Seeds.upTo(60) {
            var simulation = Simulation(seed: seed, nodes: 2, plan: .init(hasPairLink: true))
            simulation.start(Int(seed % 2))
            simulation.run(until: .zero + .seconds(1))
            simulation.start(1 - Int(seed % 2))
            simulation.run(until: .zero + .seconds(2))
            let (active, transitions) = (simulation.active, simulation.transitions)
            simulation.watchFrom = simulation.now
            for index in 0..<2 where seed % 3 == 2 || Int(seed % 3) == index {
                simulation.schedule(.fault(.cut(from: 1 - index)), to: index, after: .zero)
            }
            simulation.run(until: .zero + .seconds(30))
            simulation.schedule(.fault(.mend), to: 0, after: .zero)
            simulation.run(until: .zero + .seconds(35))
            let replay = Seeds.replay(seed, "lostAdvertisementsAloneSplitNothing")
            #expect(simulation.longestDouble == .zero, "\(replay)")
            #expect(simulation.transitions == transitions && simulation.active == active, "\(replay)")
        }
    }

    /// Both start while the advertisements are lost: the pair link alone decides.
    @Test func thePairLinkAloneElectsOne() {
        for seed in Seeds.upTo(60) {
            var simulation = Simulation(seed: seed, nodes: 2, plan: .init(hasPairLink: true))
            for index in 0..<2 { simulation.schedule(.fault(.cut(from: 1 - index)), to: index, after: .zero) }
            simulation.run(until: .zero + .milliseconds(1))
            simulation.start(0)
            simulation.start(1)
            simulation.run(until: .zero + .seconds(2))
            let replay = Seeds.replay(seed, "thePairLinkAloneElectsOne")
            #expect(simulation.active.count == 1, "\(simulation.active); \(replay)")
            let transitions = simulation.transitions
            simulation.run(until: .zero + .seconds(20))
            #expect(simulation.transitions == transitions, "\(replay)")
        }
    }

    /// The host dies with both paths: the other serves as soon as it would without a pair link.
    @Test func aPairLinkNeverDelaysATakeover() {
        for seed in Seeds.upTo(60) {
            func takeover(hasPairLink: Bool) -> Duration {
                var simulation = Simulation(seed: seed, nodes: 2, plan: .init(hasPairLink: hasPairLink))
                simulation.start(0)
                simulation.run(until: .zero + .seconds(1))
                simulation.start(1)
                simulation.run(until: .zero + .seconds(2) + .milliseconds(Int(seed)))
                let death = simulation.now
                simulation.schedule(.fault(.stop(.seconds(60))), to: 0, after: .zero)
                while !simulation.active.contains(1), simulation.now < death + .seconds(5) {
                    simulation.run(until: simulation.now + .milliseconds(1))
                }
                return simulation.now - death
            }
            // The network's delays differ between the two runs by up to 5 ms, and the kernel's by 3.
            #expect(
                takeover(hasPairLink: true) <= takeover(hasPairLink: false) + .milliseconds(8),
                "\(Seeds.replay(seed, "aPairLinkNeverDelaysATakeover"))")
        }
    }
}
