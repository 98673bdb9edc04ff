// Rise and fall to the letter, the operator's word, busy, and the times of checks.

import Testing
import Wire

@testable import Balancing

@Suite struct HealthStateTests {
    typealias Event = HealthState.Event
    typealias Status = HealthState.Status

    static let settings = CheckSettings(interval: .seconds(2), rise: 2, fall: 3)

    /// Runs a dialogue: after each event, a second apart, the status must be this. Results get a check started first.
    func dialogue(_ steps: [(Event, Status)], _ settings: CheckSettings? = settings) -> HealthState {
        var state = HealthState(settings, seed: 7, at: .zero)
        var now = Instant.zero
        for (number, (event, status)) in steps.enumerated() {
            now += .seconds(1)
            let before = (status: state.status, since: state.since)
            switch event {
            case .checkPassed, .checkFailed, .checkBusy, .checkSkipped:
                if state.nextDeadline != nil { #expect(state.handle(.checkStarted, at: now) == nil) }
            default: break
            }
            let transition = state.handle(event, at: now)
            #expect(state.status == status, "step \(number): \(event)")
            if before.status == status {
                #expect(transition == nil, "step \(number)")
            } else {
                #expect(
                    transition
                        == HealthState.Transition(from: before.status, to: status, cause: event, since: before.since))
                #expect(state.since == now && state.cause == event)
            }
        }
        return state
    }

    @Test func riseAndFall() {
        let silent = Event.checkFailed(.silent)
        _ = dialogue([
            (.checkPassed, .up), (.checkPassed, .up),
            // One good check forgives.
            (silent, .goingDown), (silent, .goingDown), (.checkPassed, .up),
            (silent, .goingDown), (silent, .goingDown), (silent, .down), (silent, .down),
            // One failure takes the hope.
            (.checkPassed, .goingUp), (silent, .down), (.checkPassed, .goingUp), (.checkPassed, .up),
        ])
    }

    @Test func theFirstCheckDecides() {
        _ = dialogue([(.checkPassed, .up)])
        _ = dialogue([(.checkFailed(.connect(errno: 111)), .down)])
        let once = CheckSettings(rise: 1, fall: 1)
        _ = dialogue([(.checkPassed, .up), (.checkFailed(.closed), .down), (.checkPassed, .up)], once)
    }

    static let refused = Event.sessionFailed(.connect(errno: 111))

    @Test func sessionsTellOfADeadServer() {
        let (refused, silent) = (Self.refused, Event.checkFailed(.silent))
        // Two of three failures are theirs, the last one is a check's.
        let dead = dialogue([(.checkPassed, .up), (refused, .up), (refused, .up), (silent, .down)])
        #expect(!dead.isUsable)
        _ = dialogue([(.checkPassed, .up), (silent, .goingDown), (refused, .goingDown), (silent, .down)])
        // A good check forgives sessions too.
        _ = dialogue([
            (.checkPassed, .up), (refused, .up), (refused, .up), (.checkPassed, .up), (silent, .goingDown),
            (silent, .goingDown), (silent, .down),
        ])
        // News about the time before do not stop a recovery, and nothing is left of them when it comes to the next death.
        _ = dialogue([
            (silent, .down), (.checkPassed, .goingUp), (refused, .goingUp), (.checkPassed, .up), (silent, .goingDown),
            (silent, .goingDown), (silent, .down),
        ])
    }

    @Test func onlyChecksTakeAServerDown() throws {
        for settings in [HealthStateTests.settings, CheckSettings(rise: 1, fall: 1)] {
            for first in [Event.checkPassed, .checkSkipped] {
                var state = dialogue([(first, first == .checkPassed ? .up : .unchecked)], settings)
                let now = Instant.zero + .seconds(2)
                for _ in 0..<10_000 { #expect(state.handle(Self.refused, at: now) == nil) }
                #expect(state.isUsable)
                // But the next one comes at once.
                #expect(try #require(state.nextDeadline) <= now)
            }
        }
        // Nor is anything known by them.
        #expect(!dialogue([(Self.refused, .unchecked)]).isKnown)
    }

    /// A storm: of thousands that connect a few do not.
    @Test func aSessionThatConnectsUndoesWhatOthersSaid() {
        var state = dialogue([(.checkPassed, .up)])
        let now = Instant.zero + .seconds(2)
        for _ in 0..<1_000 {
            _ = state.handle(.sessionFailed(.connectTimeout), at: now)
            _ = state.handle(.sessionFailed(.connectTimeout), at: now)
            state.sessionConnected()
        }
        #expect(state.strikes == 0)
        // Even when a check is unlucky as well.
        _ = state.handle(.checkStarted, at: now)
        #expect(state.handle(.checkFailed(.connectTimeout), at: now)?.to == .goingDown)
        // But what checks found, no session undoes: a broker that is out of its cluster still accepts.
        state.sessionConnected()
        #expect(state.status == .goingDown)
        for to in [nil, Status.down] {
            _ = state.handle(.checkStarted, at: now)
            #expect(state.handle(.checkFailed(.http(status: 500)), at: now)?.to == to)
            state.sessionConnected()
        }
    }

    @Test func whoCannotCheckDoesNotWaitForEver() {
        var state = HealthState(HealthStateTests.settings, seed: 7, at: .zero)
        for number in 1...HealthState.blindChecks {
            #expect(!state.isKnown && !state.isBlind)
            let now = Instant.zero + .seconds(Int64(number))
            _ = state.handle(.checkStarted, at: now)
            #expect(state.handle(.checkSkipped, at: now) == nil)
        }
        #expect(state.isKnown && state.isBlind && state.isUsable)
        // One result, and it sees.
        _ = state.handle(.checkStarted, at: .zero + .seconds(9))
        #expect(state.handle(.checkFailed(.silent), at: .zero + .seconds(9))?.to == .down)
        #expect(state.isKnown && !state.isBlind)
        for second in Int64(10)...20 {
            _ = state.handle(.checkStarted, at: .zero + .seconds(second))
            _ = state.handle(.checkSkipped, at: .zero + .seconds(second))
        }
        #expect(!state.isBlind)
    }

    @Test func onlyAFailedCheckClosesSessions() {
        var state = dialogue([(.checkPassed, .up)], CheckSettings(rise: 1, fall: 1))
        let now = Instant.zero + .seconds(2)
        _ = state.handle(.administrative(.maintenance), at: now)
        // With a rise of 1 it is down until its first check: no news about the sessions it kept.
        let back = state.handle(.administrative(.ready), at: now)
        #expect(back?.to == .down && back?.closesSessions == false)
        _ = state.handle(.checkStarted, at: now)
        let up = state.handle(.checkPassed, at: now)
        #expect(up?.to == .up && up?.closesSessions == false)
        _ = state.handle(.checkStarted, at: now)
        let dead = state.handle(.checkFailed(.silent), at: now)
        #expect(dead?.to == .down && dead?.closesSessions == true)
    }

    @Test(arguments: [HealthState.Failure.closed, .silent, .malformed, .connack(2)])
    func noClientTakesAServerAway(_ failure: HealthState.Failure) throws {
        var state = dialogue([(.checkPassed, .up)])
        let usual = try #require(state.nextDeadline)
        let now = Instant.zero + .milliseconds(1_600)
        #expect(usual > now)
        for _ in 0..<1_000 { #expect(state.handle(.sessionFailed(failure), at: now) == nil) }
        #expect(state.isUsable)
        // But the check comes at once, half a second after the last one started being over.
        #expect(state.nextDeadline == now)
    }

    @Test func aHurriedCheckKeepsItsDistance() {
        var state = dialogue([(.checkPassed, .up)])
        let started = Instant.zero + .seconds(1)
        _ = state.handle(.sessionFailed(.closed), at: started + .milliseconds(100))
        #expect(state.nextDeadline == started + HealthStateTests.settings.fastInterval)
    }

    @Test func busyUntilAGoodCheck() {
        let busy = dialogue([(.checkPassed, .up), (.sessionBusy(code: 0x89), .busy)])
        #expect(!busy.isUsable)
        _ = dialogue([(.checkPassed, .up), (.sessionBusy(code: 3), .busy), (.checkPassed, .up)])
        _ = dialogue([
            (.checkPassed, .up), (.checkBusy(code: 0x88), .busy), (.checkFailed(.silent), .busy), (.checkPassed, .up),
        ])
        // Busy while it comes up: alive first, then busy.
        _ = dialogue([
            (.checkFailed(.closed), .down), (.checkBusy(code: 3), .goingUp), (.checkBusy(code: 3), .busy),
            (.checkPassed, .up),
        ])
    }

    @Test func drainStaysCheckedAndEmpty() {
        let drained = dialogue([
            (.checkPassed, .up), (.administrative(.drain), .drain), (.checkPassed, .drain),
        ])
        #expect(!drained.isUsable)
        #expect(drained.nextDeadline != nil)
        _ = dialogue([
            (.checkPassed, .up), (.administrative(.drain), .drain), (.sessionFailed(.connectTimeout), .drain),
            (.sessionFailed(.connectTimeout), .drain), (.checkFailed(.connectTimeout), .down),
            (.administrative(.ready), .down),
        ])
    }

    @Test func maintenanceEndsWithOneGoodCheck() {
        let resting = dialogue([(.checkPassed, .up), (.administrative(.maintenance), .maintenance)])
        #expect(resting.nextDeadline == nil && !resting.isUsable && resting.isKnown)
        let back = dialogue([
            (.checkPassed, .up), (.administrative(.maintenance), .maintenance), (.sessionFailed(.closed), .maintenance),
            (.administrative(.ready), .goingUp),
        ])
        #expect(back.nextDeadline == Instant.zero + .seconds(4))
        _ = dialogue([
            (.checkPassed, .up), (.administrative(.maintenance), .maintenance), (.administrative(.ready), .goingUp),
            (.checkPassed, .up),
        ])
        _ = dialogue([
            (.administrative(.maintenance), .maintenance), (.administrative(.drain), .goingUp), (.checkPassed, .drain),
        ])
    }

    @Test func aResultFromBeforeMaintenanceTellsNothing() {
        var state = dialogue([(.checkPassed, .up)])
        let now = Instant.zero + .seconds(9)
        _ = state.handle(.checkStarted, at: now)
        _ = state.handle(.administrative(.maintenance), at: now)
        #expect(state.isCheckInFlight)
        #expect(state.handle(.checkFailed(.silent), at: now) == nil)
        #expect(!state.isCheckInFlight && state.nextDeadline == nil)
        #expect(state.health == .up)
        // A result without a check is none.
        #expect(state.handle(.administrative(.ready), at: now)?.to == .goingUp)
        #expect(state.handle(.checkPassed, at: now) == nil)
        #expect(state.status == .goingUp)
    }

    @Test func withoutACheckAServerIsUp() {
        let state = dialogue(
            [
                (.sessionFailed(.connect(errno: 111)), .up), (.sessionBusy(code: 3), .up),
                (.administrative(.drain), .drain), (.administrative(.maintenance), .maintenance),
                (.administrative(.ready), .up),
            ], nil)
        #expect(state.isUsable && state.isKnown && state.nextDeadline == nil)
    }

    @Test(arguments: 1...50)
    func waits(_ seed: UInt64) throws {
        var state = HealthState(HealthStateTests.settings, seed: seed, at: .zero)
        #expect(state.isUsable && !state.isKnown)
        /// Runs the check that is due and tells how long it waited since `end`.
        func run(_ result: Event, after end: Instant) throws -> (waited: Duration, end: Instant) {
            let due = try #require(state.nextDeadline)
            _ = state.handle(.checkStarted, at: due)
            #expect(state.nextDeadline == nil)
            _ = state.handle(result, at: due + .milliseconds(10))
            return (due - end, due + .milliseconds(10))
        }
        let slow: ClosedRange<Duration> = .milliseconds(1_800) ... .seconds(2)
        let fast: ClosedRange<Duration> = .milliseconds(450) ... .milliseconds(500)
        var (waited, end) = try run(.checkPassed, after: .zero)
        #expect(waited >= .zero && waited <= CheckSettings.startSpread)
        #expect(state.isKnown)
        let failed = Event.checkFailed(.silent)
        let plan: [(Event, ClosedRange<Duration>)] = [
            (.checkPassed, slow), (failed, slow), (failed, fast), (failed, fast), (failed, slow), (.checkPassed, slow),
            (.checkPassed, fast), (.checkBusy(code: 3), slow), (.checkPassed, fast), (.checkPassed, slow),
        ]
        for (number, (result, range)) in plan.enumerated() {
            (waited, end) = try run(result, after: end)
            #expect(range.contains(waited), "step \(number): \(waited)")
        }
    }

    @Test func seedsSpreadTheFirstChecks() {
        let dues = Set((0..<100).map { HealthState(HealthStateTests.settings, seed: $0, at: .zero).nextDeadline })
        #expect(dues.count > 90)
        let again = HealthState(HealthStateTests.settings, seed: 5, at: .zero).nextDeadline
        #expect(again == HealthState(HealthStateTests.settings, seed: 5, at: .zero).nextDeadline)
    }

    @Test func otherSettingsKeepWhatIsKnown() {
        var state = dialogue([(.checkFailed(.silent), .down)])
        let now = Instant.zero + .seconds(3)
        state.apply(CheckSettings(interval: .seconds(30), rise: 1, fall: 1), at: now)
        #expect(state.status == .down)
        state.apply(nil, at: now)
        #expect(state.status == .up && state.nextDeadline == nil && state.since == now)
        state.apply(HealthStateTests.settings, at: now)
        #expect(state.status == .unchecked && state.nextDeadline != nil && !state.isKnown)
    }
}
