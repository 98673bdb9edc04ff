// Deaths on purpose: a chaos build (`-D CHAOS`) kills itself at named points, and can be told to leave out what survival rests on.

import Glibc
import Linux
import Synchronization
import Wire

/// What a chaos build does beyond any other: nothing at all in a build without the condition `CHAOS`, where every call below is
/// empty and every answer is a constant.
///
/// Its memory is a part of the state that outlives processes, ``size`` bytes: a word of ``Mode`` bits that a test writes through
/// `/proc`, deaths by point from ``deaths`` on, which points were ever passed from ``passed`` on, and from ``lost`` on established
/// sessions that could not be kept, by reason, at all deaths together. Client ID ``trap`` is a trap.
enum Chaos {
    /// What a test may ask for.
    struct Mode: OptionSet {
        let rawValue: UInt32
        /// Kill this process at points.
        static let kills = Mode(rawValue: 1)
        /// Negative control: events that a predecessor was told of and had not served are not served.
        static let losesEvents = Mode(rawValue: 2)
        /// Negative control: loops close what sessions that had ended held, without the identity of what is behind the numbers now.
        static let believesNumbers = Mode(rawValue: 4)
        /// Negative control: cursors are believed as they were stored, and the kernel is not asked.
        static let believesCounts = Mode(rawValue: 8)
    }

    #if CHAOS
        /// Deaths one after another are what such a build is for.
        static let hasCrashLoops = false
        /// The CONNECT with this client ID traps.
        static let trap = Array("understudy-trap".utf8)
        static let deaths = 16
        static let passed = 396
        static let lost = 492
        /// Why an established session cannot be kept, in the order of ``lost``.
        private static let reasons: [ProxyCounter] = [.inheritedBroken, .inheritedHomeless, .inheritedOpaque, .inheritedPoison]
        /// How this process is followed: by a program that is started anew, or by its holder. Both have their turns; drawn once by each
        /// process.
        static var startsAnew: Bool { Bool.random() }
        /// Empty pipes are closed now and then, so that others are made.
        static var wastesPipes: Bool { Int.random(in: 0..<4) == 0 }
        /// Bytes that are kept for a look move to a chunk's front now and then without need.
        static var movesEarly: Bool { Bool.random() }
        /// A point that is not passed in this time makes room for another.
        private static let patience: Duration = .milliseconds(150)
        /// A point is passed at most so many times before it strikes.
        private static let countdown = 6

        private struct State {
            var region: MemoryRegion?
            var target = ChaosPoint.accepted
            var left = 0
            var chosen = Clock.now
        }

        private static let state = Mutex(State())

        static func begin(_ region: MemoryRegion) {
            precondition(
                deaths + 4 * ChaosPoint.allCases.count <= passed && passed + ChaosPoint.allCases.count <= lost
                    && lost + 4 * reasons.count <= region.count)
            state.withLock { $0.region = region }
        }

        static func has(_ mode: Mode) -> Bool {
            state.withLock { state in
                Mode(rawValue: state.region?.load(0, as: UInt32.self) ?? 0).contains(mode)
            }
        }

        static func point(_ point: ChaosPoint) {
            state.withLock { state in
                guard let region = state.region else { return }
                region.store(UInt8(1), at: passed + point.rawValue)
                guard Mode(rawValue: region.load(0)).contains(.kills) else { return }
                let now = Clock.now
                if state.left == 0 || now - state.chosen > patience {
                    state.target = choose(region)
                    state.left = state.target.isPassedOnce ? 1 : Int.random(in: 1...countdown)
                    state.chosen = now
                }
                guard point == state.target else { return }
                state.left -= 1
                guard state.left == 0 else { return }
                let place = deaths + 4 * point.rawValue
                region.store(region.load(place, as: UInt32.self) + 1, at: place)
                _ = Glibc.kill(getpid(), SIGKILL)
                while true { pause() }
            }
        }

        /// An established session cannot be kept.
        static func lose(_ reason: ProxyCounter) {
            guard let number = reasons.firstIndex(of: reason) else { return }
            state.withLock { state in
                guard let region = state.region else { return }
                region.store(region.load(lost + 4 * number, as: UInt32.self) + 1, at: lost + 4 * number)
            }
        }

        /// Whether a session that was in hand at two deaths is to live: deaths on purpose are not its fault. Counted as
        /// ``ProxyCounter/inheritedPoison``.
        static func spares() -> Bool {
            guard has(.kills) else { return false }
            lose(.inheritedPoison)
            return true
        }

        /// One of the points that are passed here: half the time one of those that have struck least.
        private static func choose(_ region: MemoryRegion) -> ChaosPoint {
            let known = ChaosPoint.allCases.filter { region.load(passed + $0.rawValue, as: UInt8.self) != 0 }
            func struck(_ point: ChaosPoint) -> UInt32 { region.load(deaths + 4 * point.rawValue) }
            let rare = known.sorted { struck($0) < struck($1) }.prefix(known.count / 3 + 1)
            return (Bool.random() ? rare.randomElement() : known.randomElement()) ?? .accepted
        }

        static func connect(_ id: @autoclosure () -> [UInt8]) { if id() == trap { preconditionFailure("the trap of a chaos build") } }

        /// Deaths by point, as the `chaos` member of `status`.
        static var json: JSON? {
            state.withLock { state -> JSON? in
                guard let region = state.region else { return nil }
                return .object(
                    ChaosPoint.allCases.map { point in
                        JSON.Member("\(point)", JSON(Int(region.load(deaths + 4 * point.rawValue, as: UInt32.self))))
                    })
            }
        }
    #else
        static let hasCrashLoops = true
        static let startsAnew = false
        static let wastesPipes = false
        static let movesEarly = false
        @inline(__always) static func begin(_ region: MemoryRegion) {}
        @inline(__always) static func has(_ mode: Mode) -> Bool { false }
        @inline(__always) static func point(_ point: ChaosPoint) {}
        @inline(__always) static func lose(_ reason: ProxyCounter) {}
        @inline(__always) static func spares() -> Bool { false }
        @inline(__always) static func connect(_ id: @autoclosure () -> [UInt8]) {}
        static var json: JSON? { nil }
    #endif
}
