// What a node must have to serve, and what each of it is worth: from observations to faults and a weight.

package import Wire

/// Follows everything a virtual router depends on. Pure: the shell observes, this judges.
///
/// Each item has an effect: a **fault**, which takes the router out, or a **weight**, which changes its priority: a
/// positive one is added while the item is well, a negative one while it is not (keepalived's rule). What has not been
/// observed yet is not well, and neither is what could not be observed: *unknown is failed*.
///
/// A weight decides an election; it displaces an active router only where the backup preempts. Two hosts with
/// `preempt never` that should swap on a fault want a fault.
package struct Tracking: Sendable {
    /// Most items of one router; a longer list is the configuration's mistake.
    package static let maximumItems = 64

    /// Something that is tracked.
    package enum Subject: Hashable, Sendable {
        /// The balancer of this node serves.
        case balancer
        /// An interface is up; by its name.
        case interface(String)
        /// A backend has at least so many usable servers.
        case servers(backend: String, minimum: Int)
        /// Any backend has a usable server: what a host that lost its uplink to the brokers has not.
        case anyServer
        /// An address is on this host.
        case source(IPAddress)
        /// A number in a file; by its path. Zero is well, and so is a file that is not there: an operator's switch.
        case file(String)
        /// The results of a script; by its name.
        case script(String)
        /// Something outside answers.
        case witness(IPAddress)
    }

    /// What it means when an item is not well.
    package enum Effect: Equatable, Sendable {
        /// The router takes no part.
        case fault
        /// The priority differs by so much: -253...253. For a file, this times the number in it.
        case weight(Int)
    }

    /// A tracked item with its effect and its patience.
    package struct Item: Equatable, Sendable {
        /// What is tracked.
        package var subject: Subject
        /// What it means when it is not well.
        package var effect: Effect
        /// How long a change for the better must last; for interfaces that flap.
        package var upDelay: Duration
        /// How long a change for the worse must last.
        package var downDelay: Duration
        /// How many successes of a script in a row are believed: 1...100.
        package var rise: Int
        /// How many failures in a row: 1...100.
        package var fall: Int
        /// How long it counts as well before anything was observed, when it is added to a router that runs: a new
        /// configuration must not move the addresses. At the start what is unknown has failed.
        package var patience: Duration

        /// An item that is believed at once, unless said otherwise.
        package init(
            _ subject: Subject, _ effect: Effect = .fault, upDelay: Duration = .zero, downDelay: Duration = .zero,
            rise: Int = 1, fall: Int = 1, patience: Duration = .zero
        ) {
            precondition((1...100).contains(rise) && (1...100).contains(fall), "rise \(rise), fall \(fall)")
            precondition(upDelay >= .zero && downDelay >= .zero, "a negative delay")
            if case .weight(let weight) = effect { precondition(abs(weight) <= 253, "weight \(weight)") }
            self.subject = subject
            self.effect = effect
            self.upDelay = upDelay
            self.downDelay = downDelay
            self.rise = rise
            self.fall = fall
            self.patience = patience
        }
    }

    /// How a run of a script ended.
    package enum ScriptResult: Equatable, Sendable {
        /// Exit status 0.
        case succeeded
        /// Another exit status.
        case failed(status: Int32)
        /// Ended by a signal.
        case killed(signal: Int32)
        /// It did not end in time.
        case timedOut
        /// It could not be started at all.
        case couldNotRun(errno: Int32)
    }

    /// What the shell saw.
    package enum Observation: Equatable, Sendable {
        /// Whether the balancer serves, and why not.
        case balancer(serves: Bool, reason: String)
        /// Whether an interface is up.
        case interface(String, up: Bool)
        /// How many servers of a backend are usable now; `nil` when the balancer does not say.
        case servers(backend: String, usable: Int?)
        /// How many servers are usable over all backends; `nil` when the balancer does not say.
        case anyServer(usable: Int?)
        /// Whether an address is on this host.
        case source(IPAddress, present: Bool)
        /// What a file says: a number; absent counts as 0. `nil`: unreadable, or no number.
        case file(String, value: Int?)
        /// A run of a script ended.
        case script(String, ScriptResult)
        /// Whether a witness answers.
        case witness(IPAddress, answers: Bool)
    }

    /// What follows for the router.
    package struct Verdict: Equatable, Sendable {
        /// Why it can take no part, in words; empty when it can.
        package var faults: [String]
        /// The sum of the weights, for ``VirtualRouter/Event/weight(_:isImpaired:)``.
        package var weight: Int
        /// Items with a weight that are not well, in words: why the priority is not what it could be.
        package var weaknesses: [String]

        /// What these faults, this sum of weights and these weaknesses mean.
        package init(faults: [String], weight: Int, weaknesses: [String] = []) {
            self.faults = faults
            self.weight = weight
            self.weaknesses = weaknesses
        }

        /// Whether a host in full health would serve better, for ``VirtualRouter/Event/weight(_:isImpaired:)``.
        package var isImpaired: Bool { !weaknesses.isEmpty }

        /// For ``VirtualRouter/Event/ready(_:reason:)``.
        package var isReady: Bool { faults.isEmpty }
        /// For ``VirtualRouter/Event/ready(_:reason:)``.
        package var reason: String { faults.isEmpty ? "everything tracked is well" : faults.joined(separator: "; ") }
    }

    private var states: [ItemState] = []
    /// What follows from all that was observed until now.
    package private(set) var verdict = Verdict(faults: [], weight: 0)

    /// Tracks these items, of which nothing is known yet.
    package init(_ items: [Item]) {
        precondition(items.count <= Self.maximumItems, "\(items.count) tracked items")
        states = items.map { ItemState($0) }
        verdict = judged()
    }

    /// Whether something was observed of every item.
    package var isComplete: Bool { states.allSatisfy(\.isObserved) }

    /// Tracks these items from now on. An item that stays keeps what is known of it, also when its effect changes; a new
    /// one is waited for as long as its ``Item/patience`` says.
    ///
    /// Look at ``verdict`` afterwards.
    package mutating func configure(_ items: [Item], at now: Instant) {
        precondition(items.count <= Self.maximumItems, "\(items.count) tracked items")
        let known = states
        states = items.map { item in
            var state = ItemState(item)
            if let old = known.first(where: { $0.item.subject.isSameThing(as: item.subject) }) {
                state.inherit(old, at: now)
            } else if item.patience > .zero {
                state.wait(until: now + item.patience)
            }
            return state
        }
        verdict = judged()
    }

    /// Takes in an observation. One of something that is not tracked changes nothing.
    ///
    /// - Returns: the new verdict, if it changed.
    package mutating func handle(_ observation: Observation, at now: Instant) -> Verdict? {
        for index in states.indices { states[index].observe(observation, at: now) }
        return changed()
    }

    /// Ends delays that are over. Early and repeated calls are harmless.
    ///
    /// - Returns: the new verdict, if it changed.
    package mutating func timeout(at now: Instant) -> Verdict? {
        for index in states.indices { states[index].settle(at: now) }
        return changed()
    }

    /// When ``timeout(at:)`` wants to be called; `nil` while no delay runs.
    package var nextDeadline: Instant? { states.compactMap(\.deadline).min() }

    /// How each item stands, for the status.
    package var report: JSON {
        .array(
            states.map { state in
                [
                    "item": .string(state.item.subject.description),
                    "well": JSON(state.isWell),
                    "detail": .string(state.detail),
                    "effect": .string(state.item.effect.description),
                ]
            })
    }

    private mutating func changed() -> Verdict? {
        let new = judged()
        guard new != verdict else { return nil }
        verdict = new
        return new
    }

    private func judged() -> Verdict {
        var verdict = Verdict(faults: [], weight: 0)
        for state in states {
            switch state.item.effect {
            case .fault: if !state.isWell { verdict.faults.append(state.sentence) }
            case .weight:
                verdict.weight += state.weight
                if state.isWeak { verdict.weaknesses.append(state.sentence) }
            }
        }
        return verdict
    }

    /// A priority with a sum of weights: 1...254, for 0 says goodbye and 255 owns the address.
    package static func priority(_ base: UInt8, weight: Int) -> UInt8 {
        UInt8(min(max(Int(base) + min(max(weight, -254), 254), 1), 254))
    }
}
