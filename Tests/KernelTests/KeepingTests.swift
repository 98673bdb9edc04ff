// When a keeper passes on, kills and leaves, on virtual time.

import Testing
import Wire

@testable import Supervisor

@Suite("A keeper")
struct KeepingTests {
    private static let start = Instant(nanoseconds: 1_000_000_000)
    private static func at(_ seconds: Double) -> Instant { start + .milliseconds(Int64(seconds * 1000)) }

    private static func sight(
        _ supervisor: Int32 = 10, alive: Bool = true, holder: Bool = true, ended: Bool = false
    ) -> Keeping.Event {
        .seen(
            Keeping.Sight(supervisor: supervisor, isSupervisorAlive: alive, isHolderAlive: holder, hasEnded: ended))
    }

    /// A keeper that has looked every 100 ms up to that second, and heard something at those.
    private func keeper(until end: Double, hearing: [Double] = []) -> (Keeping, [Keeping.Action]) {
        var keeper = Keeping(supervisor: 10, at: Self.start)
        var actions: [Keeping.Action] = []
        var step = 0
        while Double(step) / 10 <= end {
            let now = Double(step) / 10
            if hearing.contains(where: { abs($0 - now) < 0.01 }) { actions += keeper.handle(.heard, at: Self.at(now)) }
            actions += keeper.handle(Self.sight(), at: Self.at(now))
            step += 1
        }
        return (keeper, actions.filter { $0 != .vouch })
    }

    @Test("leaves a supervisor alone that speaks, and kills one that does not")
    func silence() {
        #expect(keeper(until: 6, hearing: [1, 2.5]).1.isEmpty)
        #expect(keeper(until: 6.6, hearing: [1, 2.5]).1 == [.kill(10)])
        // Not again before it had the time for a word.
        #expect(keeper(until: 10, hearing: [1, 2.5]).1 == [.kill(10)])
        #expect(keeper(until: 29).1.isEmpty)
        #expect(keeper(until: 31).1 == [.kill(10)])
    }

    @Test("forgives the silence it slept through")
    func stall() {
        var (keeper, _) = keeper(until: 2, hearing: [2])
        #expect(keeper.handle(Self.sight(), at: Self.at(60)).isEmpty)
        #expect(keeper.handle(Self.sight(), at: Self.at(60.9)).isEmpty)
        for tenth in 1...40 { _ = keeper.handle(.heard, at: Self.at(60.9 + Double(tenth) / 10)) }
        #expect(keeper.handle(Self.sight(), at: Self.at(64.9)).isEmpty)
    }

    @Test("waits for a successor as long as there is a holder, and gives it time")
    func succession() {
        var (keeper, _) = keeper(until: 2, hearing: [2])
        #expect(keeper.handle(Self.sight(alive: false), at: Self.at(2.1)) == [.vouch])
        #expect(keeper.handle(Self.sight(alive: false), at: Self.at(20)) == [.vouch])
        #expect(keeper.handle(Self.sight(11), at: Self.at(20.1)).isEmpty)
        #expect(keeper.handle(Self.sight(11), at: Self.at(20.2)).isEmpty)
        #expect(keeper.handle(Self.sight(11, alive: false, holder: false), at: Self.at(20.3)) == [.leave(isInOrder: false)])
        // Once.
        #expect(keeper.handle(Self.sight(11, alive: false, holder: false), at: Self.at(20.4)).isEmpty)
    }

    @Test("does not wait for a holder for ever")
    func holderThatHangs() {
        var (keeper, _) = keeper(until: 2, hearing: [2])
        #expect(keeper.handle(Self.sight(alive: false), at: Self.at(2.1)) == [.vouch])
        #expect(keeper.handle(Self.sight(alive: false), at: Self.at(62)) == [.vouch])
        #expect(keeper.handle(Self.sight(alive: false), at: Self.at(62.2)) == [.leave(isInOrder: false)])
    }

    @Test("vouches for a supervisor that is missing or has not spoken, as long as its own bounds, and for no other")
    func vouches() {
        var (keeper, _) = keeper(until: 2, hearing: [2])
        /// The seconds in which something is done, looking every 100 ms.
        func seconds(_ event: Keeping.Event, from begin: Double, to end: Double) -> [(Double, Keeping.Action)] {
            var found: [(Double, Keeping.Action)] = []
            for tenth in Int((begin * 10).rounded())..<Int((end * 10).rounded()) {
                let second = Double(tenth) / 10
                for action in keeper.handle(event, at: Self.at(second)) { found.append((second, action)) }
            }
            return found
        }
        // It serves: what it says itself is enough.
        #expect(seconds(Self.sight(), from: 2.1, to: 5).isEmpty)
        var vouched = seconds(Self.sight(alive: false), from: 5, to: 10)
        #expect(vouched.count == 10 && vouched.allSatisfy { $0.1 == .vouch })
        vouched = seconds(Self.sight(11), from: 10, to: 39)
        #expect(vouched.count == 58 && vouched.allSatisfy { $0.1 == .vouch })
        _ = keeper.handle(.heard, at: Self.at(39))
        vouched = seconds(Self.sight(11), from: 39, to: 43.2)
        #expect(vouched.map(\.1) == [.kill(11)])
    }

    @Test("leaves with a supervisor that ends in order, also when its holder is still there")
    func order() {
        var (keeper, _) = keeper(until: 2, hearing: [2])
        #expect(keeper.handle(Self.sight(ended: true), at: Self.at(2.1)).isEmpty)
        #expect(keeper.handle(Self.sight(alive: false, ended: true), at: Self.at(2.2)) == [.leave(isInOrder: true)])
    }

    @Test("passes orders on; an order to stop also to who follows")
    func orders() {
        var (keeper, _) = keeper(until: 2, hearing: [2])
        #expect(keeper.handle(.ordered(1, isLasting: false), at: Self.at(2.1)) == [.signal(1, to: 10)])
        #expect(keeper.handle(Self.sight(alive: false), at: Self.at(2.2)) == [.vouch])
        #expect(keeper.handle(.ordered(1, isLasting: false), at: Self.at(2.3)).isEmpty)
        #expect(keeper.handle(.ordered(15, isLasting: true), at: Self.at(2.4)).isEmpty)
        #expect(keeper.handle(Self.sight(11), at: Self.at(2.5)) == [.signal(15, to: 11)])
        #expect(keeper.handle(Self.sight(11), at: Self.at(2.6)).isEmpty)
    }
}
