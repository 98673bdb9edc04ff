// What must hold for grouped routers under every seed: all on one node, and no flapping.

import Testing
import VRRP
import Wire

@Suite struct GroupSimulationTests {
    /// A pair that has settled with node 0 holding everything.
    static func settled(_ seed: UInt64, _ priorities: [[UInt8]] = [[150, 150], [100, 100]]) -> GroupSimulation {
        var simulation = GroupSimulation(seed: seed, priorities: priorities)
        simulation.start(0)
        simulation.run(until: .zero + .seconds(2))
        simulation.start(1)
        simulation.run(until: .zero + .seconds(4))
        return simulation
    }

    @Test func aStormEndsWithEverythingOnOneNode() {
        // After pauses of failed claims and step-downs, and a second try where both claimed at once.
        let pauses = VirtualRouter.Bounds.longestClaimPause + VirtualRouter.Bounds.stepDownHold + .seconds(4)
        let priorities: [[[UInt8]]] = [[[150, 150], [100, 100]], [[100, 100], [100, 100]]]
        for seed in Seeds.upTo(200) {
            var simulation = GroupSimulation(seed: seed, priorities: priorities[Int(seed % 2)])
            simulation.start(0)
            simulation.start(1)
            let end = simulation.generator.milliseconds(2000...8000)
            simulation.storm(until: end)
            let quiet = Instant.zero + end + pauses
            simulation.run(until: quiet)
            let replay = Seeds.replay(seed, "aStormEndsWithEverythingOnOneNode")
            #expect(simulation.whole.count == 1 && simulation.holders.count == 1, "\(replay)")
            let settled = simulation.transitions
            simulation.watchFrom = quiet
            simulation.run(until: quiet + .seconds(10))
            #expect(simulation.transitions == settled, "flapping; \(replay)")
            #expect(simulation.longestSplit == .zero, "\(replay)")
            #expect(simulation.violations.isEmpty, "\(simulation.violations); \(replay)")
        }
    }

    @Test func aFaultOfOneMemberMovesAll() {
        for seed in Seeds.upTo(50) {
            var simulation = Self.settled(seed)
            let replay = Seeds.replay(seed, "aFaultOfOneMemberMovesAll")
            #expect(simulation.whole == [0], "\(replay)")
            let before = simulation.now
            simulation.watchFrom = before
            let member = Int(seed % 2)
            simulation.schedule(.event(.interface(up: false)), to: .init(node: 0, member: member), after: .zero)
            simulation.run(until: before + .milliseconds(400))
            #expect(simulation.whole == [1] && simulation.holders == [1], "\(replay)")
            #expect(simulation.longestSplit < .milliseconds(50), "\(simulation.longestSplit); \(replay)")
            let settled = simulation.transitions
            simulation.schedule(.event(.interface(up: true)), to: .init(node: 0, member: member), after: .zero)
            simulation.run(until: before + .seconds(10))
            // Back to listening, each member of node 0; the address stays.
            #expect(simulation.whole == [1] && simulation.transitions == settled + 2, "\(replay)")
        }
    }

    /// The adverts of one family are lost; the other family is heard, so nobody claims.
    @Test func oneDeafMemberSplitsNothing() {
        for seed in Seeds.upTo(50) {
            var simulation = Self.settled(seed)
            let settled = simulation.transitions
            simulation.schedule(.cut(true), to: .init(node: 1, member: Int(seed % 2)), after: .zero)
            simulation.run(until: simulation.now + .seconds(20))
            simulation.schedule(.cut(false), to: .init(node: 1, member: Int(seed % 2)), after: .zero)
            simulation.run(until: simulation.now + .seconds(5))
            #expect(simulation.transitions == settled, "\(Seeds.replay(seed, "oneDeafMemberSplitsNothing"))")
            #expect(simulation.whole == [0])
        }
    }

    /// Started at once with equal priorities, where each node wins the tie for one member.
    @Test func crosswiseTiesHaveAWinner() {
        for seed in Seeds.upTo(100) {
            var simulation = GroupSimulation(seed: seed, priorities: [[100, 100], [100, 100]])
            simulation.start(0)
            simulation.start(1)
            simulation.run(until: .zero + .seconds(4))
            let replay = Seeds.replay(seed, "crosswiseTiesHaveAWinner")
            #expect(simulation.whole.count == 1 && simulation.holders.count == 1, "\(replay)")
            let settled = simulation.transitions
            simulation.run(until: .zero + .seconds(20))
            #expect(simulation.transitions == settled, "\(replay)")
        }
    }

    @Test func crosswisePrioritiesHaveAWinner() {
        for seed in Seeds.upTo(100) {
            var simulation = GroupSimulation(seed: seed, priorities: [[200, 100], [100, 200]])
            simulation.start(0)
            simulation.start(1)
            simulation.run(until: .zero + .seconds(6))
            let replay = Seeds.replay(seed, "crosswisePrioritiesHaveAWinner")
            #expect(simulation.whole.count == 1 && simulation.holders.count == 1, "\(replay)")
        }
    }

    @Test func theWholeGroupIsHandedOverByStepDown() {
        var simulation = Self.settled(1)
        for member in 0..<2 {
            simulation.schedule(.event(.stepDown(for: nil)), to: .init(node: 0, member: member), after: .zero)
        }
        simulation.run(until: simulation.now + .milliseconds(50))
        #expect(simulation.whole == [1])
    }

    /// Nobody is there to take it: no address is gone for a moment, whichever member is told first.
    @Test func aWholeGroupThatNobodyTakesStays() {
        for seed in Seeds.upTo(50) {
            var simulation = GroupSimulation(seed: seed, priorities: [[150, 150], [100, 100]])
            simulation.start(0)
            simulation.run(until: .zero + .seconds(2))
            let replay = Seeds.replay(seed, "aWholeGroupThatNobodyTakesStays")
            #expect(simulation.whole == [0], "\(replay)")
            for member in 0..<2 {
                let delay = simulation.generator.milliseconds(0...1)
                simulation.schedule(
                    .event(.stepDown(for: .seconds(7200))), to: .init(node: 0, member: member), after: delay)
            }
            let end = simulation.now + .seconds(3)
            while simulation.now < end {
                simulation.run(until: simulation.now + .milliseconds(5))
                #expect(simulation.holders == [0] && simulation.shownCount == 2, "\(simulation.now); \(replay)")
            }
            #expect(simulation.whole == [0], "\(replay)")
            #expect(simulation.routers[0].allSatisfy { $0.partingOutcome == .keptUntaken }, "\(replay)")
        }
    }
}
