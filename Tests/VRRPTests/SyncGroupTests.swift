// A group by itself: orders for the members, from how they stand.

import Testing
import VRRP
import Wire

@Suite struct SyncGroupTests {
    typealias Standing = VirtualRouter.Standing
    static let listening = Standing.following(hearsAnother: false)
    static let following = Standing.following(hearsAnother: true)

    /// A group of three whose members stand like this; what it ordered last.
    static func group(_ standings: Standing...) -> (group: SyncGroup, orders: [SyncGroup.Order]) {
        var group = SyncGroup(name: "g", members: ["a", "b", "c"])
        var orders: [SyncGroup.Order] = []
        for (member, standing) in standings.enumerated() { orders = group.handle(standing, of: member) }
        return (group, orders)
    }

    static func together() -> SyncGroup {
        var (group, _) = group(.willing, .willing, .willing)
        for member in 0..<3 { #expect(group.handle(.active, of: member) == []) }
        return group
    }

    @Test func theyClaimWhenAllAreWilling() {
        var (group, orders) = Self.group(.willing, Self.following, .willing)
        #expect(orders == [] && group.phase == .listening)
        orders = group.handle(.willing, of: 1)
        #expect(orders == (0..<3).map { .init(member: $0, order: .claim) })
        #expect(group.phase == .together && group.claims == 1)
        for standing in [Standing.claiming, .active] {
            for member in 0..<3 { #expect(group.handle(standing, of: member) == []) }
        }
    }

    @Test func oneThatCannotTakesAllOut() {
        var group = Self.together()
        let words = "b of group g: the interface is down"
        #expect(
            group.handle(.unable("the interface is down"), of: 1) == [
                .init(member: 0, order: .bar(words)), .init(member: 2, order: .bar(words)),
            ])
        #expect(group.handle(.barred, of: 0) == [] && group.handle(.barred, of: 2) == [])
        // A second obstacle: both must go before anybody comes back.
        #expect(group.handle(.unable("no source"), of: 0) == [])
        #expect(group.handle(Self.listening, of: 1).map(\.member) == [1])
        #expect(group.handle(.barred, of: 1) == [])
        #expect(
            group.handle(Self.listening, of: 0) == [
                .init(member: 1, order: .listen), .init(member: 2, order: .listen),
            ])
        #expect(group.phase == .listening && group.withdrawals == 1)
    }

    @Test func oneThatGivesWayTakesAllAlong() {
        var group = Self.together()
        let words = "c of group g gave way"
        #expect(
            group.handle(Self.following, of: 2)
                == [0, 1].map { .init(member: $0, order: .withdraw(words, extraIntervals: 0)) })
        #expect(group.handle(Self.listening, of: 0) == [] && group.handle(Self.listening, of: 1) == [])
        var leader = Self.together()
        #expect(
            leader.handle(Self.following, of: 0).map(\.order)
                == [1, 2].map { _ in .withdraw("a of group g gave way", extraIntervals: 1) })
    }

    @Test func membersAreStartedOneAfterTheOther() {
        // The addresses of a killed predecessor are kept: nobody is barred because another has not begun.
        let (group, orders) = Self.group(.active, .active, .active)
        #expect(orders == [] && group.phase == .together)
        // One adopted, and the others hear a peer that took over: then it was too late.
        let (late, withdrawn) = Self.group(.active, Self.listening, Self.following)
        #expect(withdrawn.map(\.member) == [0, 1] && late.phase == .listening)
        // One adopted, nobody else is there: the others come along.
        var (some, none) = Self.group(.active, Self.listening, Self.listening)
        #expect(none == [] && some.handle(.willing, of: 1) == [])
        #expect(some.handle(.willing, of: 2).map(\.member) == [1, 2])
    }

    @Test func aMemberThatCannotClaimAfterAllTakesTheOthersBack() {
        var (group, _) = Self.group(.willing, .willing, .willing)
        #expect(group.handle(.claiming, of: 0) == [])
        // Meanwhile the second path said that the peer is active.
        #expect(group.handle(Self.following, of: 1).map(\.member) == [0, 2])
    }

    // MARK: The member's side

    static var settings: VirtualRouter.Settings {
        var settings = Example.settings()
        settings.isGrouped = true
        return settings
    }

    @Test func aMemberWaitsForItsOrder() {
        var dialogue = Dialogue.backup(Self.settings)
        #expect(dialogue.router.standing(at: dialogue.now) == Self.listening)
        #expect(dialogue.run(for: .seconds(10)) == [])
        #expect(dialogue.router.standing(at: dialogue.now) == .willing)
        #expect(dialogue.router.nextDeadline == nil)
        #expect(dialogue.router.why(at: dialogue.now) == "not active: ready, but other members of the group are not")
        #expect(dialogue.tell(.group(.claim)).first == .claim(1))
        #expect(dialogue.router.standing(at: dialogue.now) == .claiming)
    }

    @Test func aWillingMemberThatHearsAnotherIsWillingNoMore() {
        var dialogue = Dialogue.backup(Self.settings)
        _ = dialogue.run(for: .seconds(1))
        dialogue.hear(150)
        #expect(dialogue.router.standing(at: dialogue.now) == Self.following)
        #expect(dialogue.tell(.group(.claim)) == [])
    }

    private static func witnessed() -> Dialogue {
        var settings = settings
        settings.requiresWitness = true
        return Dialogue.backup(settings)
    }

    /// The order came at a moment at which something else has to be waited for: it does not lie in wait.
    @Test func anOrderThatCannotBeObeyedIsOver() {
        var dialogue = Self.witnessed()
        dialogue.hear(150)
        dialogue.pass(.milliseconds(100))
        dialogue.tell(.witnessAnswered)
        #expect(dialogue.run(for: .seconds(1)) == [])
        #expect(dialogue.router.standing(at: dialogue.now) == .willing)
        // The witness's answer grows old before the last member is willing.
        dialogue.pass(VirtualRouter.Bounds.witnessAge)
        #expect(dialogue.tell(.group(.claim)) == [])
        #expect(dialogue.router.standing(at: dialogue.now) == Self.listening)
        #expect(dialogue.tell(.witnessAnswered) == [], "alone, without its group")
        #expect(dialogue.router.standing(at: dialogue.now) == .willing)
        #expect(dialogue.tell(.group(.claim)).first == .claim(1))
    }

    /// Stepped down while it waits for the others: it is not ready for what they decide, and neither is stuck afterwards.
    @Test func aHeldMemberIsNotWilling() {
        var dialogue = Dialogue.backup(Self.settings)
        _ = dialogue.run(for: .seconds(1))
        dialogue.tell(.stepDown(for: nil))
        #expect(dialogue.tell(.group(.claim)) == [])
        #expect(dialogue.router.standing(at: dialogue.now) == Self.listening)
        #expect(dialogue.run(for: VirtualRouter.Bounds.stepDownHold) == [])
        #expect(dialogue.router.standing(at: dialogue.now) == .willing)
        #expect(dialogue.tell(.group(.claim)).first == .claim(1))
    }

    /// Its timer has fired: who was heard then is dead, whatever is still waited for.
    @Test func aDeadRouterIsNotHeard() {
        var dialogue = Self.witnessed()
        dialogue.hear(150)
        #expect(dialogue.router.standing(at: dialogue.now) == Self.following)
        #expect(dialogue.run(for: .seconds(3)) == [])
        #expect(dialogue.router.standing(at: dialogue.now) == Self.listening)
        dialogue.hear(150)
        #expect(dialogue.router.standing(at: dialogue.now) == Self.following)
    }

    @Test func aBarredMemberLeavesAndComesBack() {
        var dialogue = Dialogue.backup(Self.settings)
        _ = dialogue.run(for: .seconds(1))
        dialogue.tell(.group(.claim))
        dialogue.tell(.addressesClaimed(1))
        #expect(
            dialogue.tell(.group(.bar("v6 of group g: not ready"))) == [
                .advertise(priority: 0), .release,
                .transition(from: .active, to: .initialize, .idle(.group("v6 of group g: not ready"))),
            ])
        #expect(dialogue.router.standing(at: dialogue.now) == .barred)
        dialogue.tell(.interface(up: false))
        #expect(dialogue.router.standing(at: dialogue.now) == .unable("the interface is down"))
        dialogue.tell(.interface(up: true))
        #expect(dialogue.router.standing(at: dialogue.now) == .barred)
        #expect(dialogue.tell(.group(.listen)) == [.transition(from: .initialize, to: .backup, .prepared)])
        // Permission was for that one time.
        #expect(dialogue.run(for: .seconds(1)) == [])
        #expect(dialogue.router.standing(at: dialogue.now) == .willing)
    }

    @Test func aPenaltyEndsAlsoWhileBarred() {
        var dialogue = Dialogue.backup(Self.settings)
        _ = dialogue.run(for: .seconds(1))
        dialogue.tell(.group(.claim))
        dialogue.tell(.addressClaimFailed(1, errno: 1))
        dialogue.tell(.group(.bar("both failed")))
        #expect(dialogue.router.standing(at: dialogue.now).isUnable)
        _ = dialogue.run(for: .seconds(2))
        #expect(dialogue.router.standing(at: dialogue.now) == .barred)
    }

    @Test func aWithdrawnMemberListensLonger() {
        var dialogue = Dialogue.backup(Self.settings)
        _ = dialogue.run(for: .seconds(1))
        dialogue.tell(.group(.claim))
        dialogue.tell(.addressesClaimed(1))
        #expect(
            dialogue.tell(.group(.withdraw("v6 gave way", extraIntervals: 1))) == [
                .advertise(priority: 0), .transition(from: .active, to: .backup, .withdrawn("v6 gave way")),
            ])
        let start = dialogue.now
        // Nobody takes the address; its sessions are closed, and it goes.
        #expect(dialogue.run(for: .milliseconds(155)).last == .drain)
        #expect(dialogue.tell(.drained) == [.release])
        #expect(dialogue.router.nextDeadline == start + BackupTests.down + .milliseconds(100))
    }
}

extension VirtualRouter.Standing {
    var isUnable: Bool { if case .unable = self { true } else { false } }
}
