// An upgrade's decisions on virtual time.

import Control
import Supervisor
import Testing
import Wire

@Suite("An upgrade's steps")
struct UpgradeTests {
    private let now = Instant.zero

    private func begun(_ roles: Set<Upgrade.Role> = [.balancer, .vip], drains: Bool = false) -> Upgrade {
        Upgrade(roles: roles, drains: drains, at: now)
    }

    /// Everything is the new program, and is watched.
    private func watched() -> Upgrade {
        var upgrade = begun()
        _ = upgrade.handle(.probed(.compatible), at: now)
        _ = upgrade.handle(.serving(.balancer, isNew: true), at: now)
        _ = upgrade.handle(.serving(.vip, isNew: true), at: now)
        return upgrade
    }

    @Test("tries the balancer, then vip, then reads the state, then becomes it")
    func whole() {
        var upgrade = begun()
        #expect(upgrade.handle(.probed(.compatible), at: now) == [.replace(.balancer, withNew: true)])
        #expect(upgrade.handle(.serving(.vip, isNew: false), at: now) == [])
        #expect(upgrade.handle(.serving(.balancer, isNew: true), at: now) == [.replace(.vip, withNew: true)])
        #expect(upgrade.handle(.serving(.vip, isNew: true), at: now) == [])
        #expect(upgrade.handle(.timeout, at: now) == [])
        #expect(upgrade.handle(.timeout, at: now + Upgrade.Limits.probation) == [.rehearse])
        #expect(upgrade.handle(.rehearsed(nil), at: now) == [.execute])
        #expect(upgrade.isOver)
    }

    @Test("of a balancer alone waits for no vip")
    func alone() {
        var upgrade = begun([.balancer])
        _ = upgrade.handle(.probed(.compatible), at: now)
        #expect(upgrade.handle(.serving(.balancer, isNew: true), at: now) == [])
        #expect(upgrade.nextDeadline == now + Upgrade.Limits.probation)
    }

    @Test("refuses or drains what cannot take over, before anything has changed")
    func layouts() {
        var refused = begun()
        #expect(
            refused.handle(.probed(.incompatible("another layout")), at: now) == [
                .useKnown, .refuse("another layout; with --drain it is started after a drain"),
            ])
        var drained = begun(drains: true)
        #expect(drained.handle(.probed(.incompatible("another layout")), at: now) == [.drain])
        var unfit = begun(drains: true)
        #expect(unfit.handle(.probed(.unfit("no")), at: now) == [.useKnown, .refuse("no")])
        var silent = begun()
        #expect(
            silent.handle(.timeout, at: now + Upgrade.Limits.probe) == [
                .useKnown, .refuse("the new program does not say what it is within 5s"),
            ])
    }

    @Test("gives up when the known balancer comes back instead of the new one")
    func fallback() {
        var upgrade = begun()
        _ = upgrade.handle(.probed(.compatible), at: now)
        #expect(
            upgrade.handle(.serving(.balancer, isNew: false), at: now) == [
                .useKnown, .refuse("the new balancer did not take over; the known one goes on"),
            ])
        #expect(upgrade.isOver && upgrade.nextDeadline == nil)
    }

    @Test("goes back everywhere when the new program dies, complains or hangs")
    func back() {
        var dead = watched()
        #expect(
            dead.handle(.died(.balancer), at: now) == [
                .useKnown, .replace(.vip, withNew: false),
                .refuse("the new balancer died after it had taken over"),
            ])
        var vip = watched()
        #expect(vip.handle(.died(.vip), at: now) == [.useKnown, .returnBalancer, .refuse("the new vip died")])
        var complaining = watched()
        _ = complaining.handle(.timeout, at: now + Upgrade.Limits.probation)
        #expect(
            complaining.handle(.rehearsed("no memory"), at: now) == [
                .useKnown, .replace(.vip, withNew: false), .returnBalancer,
                .refuse("the new program cannot take over from the supervisor: no memory"),
            ])
        var hanging = watched()
        _ = hanging.handle(.timeout, at: now + Upgrade.Limits.probation)
        let deadline = now + Upgrade.Limits.probation + Upgrade.Limits.rehearsal
        #expect(hanging.handle(.timeout, at: deadline).contains(.returnBalancer))
        var late = begun()
        _ = late.handle(.probed(.compatible), at: now)
        #expect(
            late.handle(.timeout, at: now + Upgrade.Limits.replacement) == [
                .useKnown, .keep(.balancer), .refuse("the new balancer does not serve within 15s"),
            ])
    }

    @Test("a vip that dies while it is replaced takes the balancer back, too")
    func vipDies() {
        var upgrade = begun()
        _ = upgrade.handle(.probed(.compatible), at: now)
        _ = upgrade.handle(.serving(.balancer, isNew: true), at: now)
        #expect(upgrade.handle(.died(.vip), at: now) == [.useKnown, .returnBalancer, .refuse("the new vip died")])
        #expect(upgrade.handle(.serving(.vip, isNew: false), at: now) == [])
    }

    @Test("layouts are compared part by part")
    func obstacles() {
        let known = ProgramLayout(version: "1", sessions: 7, supervisor: 1)
        var next = known
        next.version = "2"
        #expect(known.obstacle(to: next) == nil)
        next.sessions = 8
        #expect(known.obstacle(to: next) == "version 2 has another layout of the memory of sessions than 1")
        next.supervisor = 2
        next.control += 1
        #expect(
            known.obstacle(to: next)
                == "version 2 has another layout of the memory of sessions, the messages between processes, "
                + "the supervisor's state than 1")
        #expect(ProgramLayout(next.json) == next)
        #expect(ProgramLayout(["version": "2"]) == nil)
    }
}
