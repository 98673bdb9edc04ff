// What is known of names, and which is to be asked for next.

import Configuration
import Linux
import Wire

/// The names of a configuration with their last good answers, and when each is due again. Pure.
///
/// A name is asked for as soon as it is known, then every `interval`, sooner after a failure; an answer that was inherited holds
/// until there is another. Nothing is forgotten because nobody answers, of one family either.
struct NameBook: Sendable {
    typealias Answer = NameResolver.Answer

    /// What a thread that asks does next.
    enum Step: Equatable, Sendable {
        /// Ask for this name.
        ///
        /// - Parameters:
        ///   - known: families of which it has addresses.
        ///   - isLast: no other name is left that nobody asks for just now.
        case ask(String, known: Set<AddressFamily>, isLast: Bool)
        /// Wait; `nil`: until something changes.
        case wait(Instant?)
    }

    /// The longest wait before a name without an answer is asked for again.
    static let failureInterval: Duration = .seconds(5)
    /// How long others wait for a name that was never answered for; then it counts as one without addresses.
    static let patience: Duration = .seconds(2)

    private(set) var settings = Configuration.ResolverSettings()
    private(set) var names: [String] = []
    /// What is known of every name that was asked for at least once, or that a predecessor knew, or that nobody waits for any more.
    private(set) var answers: [String: Answer]
    private var due: [String: Instant] = [:]
    /// Those a thread asks for just now.
    private var asked: Set<String> = []
    /// Since when nothing is known of a name.
    private var unknownSince: [String: Instant] = [:]

    /// - Parameter answers: what a former process knew.
    init(_ answers: [String: Answer] = [:]) { self.answers = answers }

    /// Keeps these names' answers fresh from now on, and forgets all others.
    mutating func watch(_ names: [String], _ settings: Configuration.ResolverSettings, at now: Instant) {
        let isOther = self.settings != settings
        self.settings = settings
        self.names = names
        answers = answers.filter { names.contains($0.key) }
        due = isOther ? [:] : due.filter { names.contains($0.key) }
        unknownSince = unknownSince.filter { names.contains($0.key) }
        for name in names where answers[name] == nil && unknownSince[name] == nil { unknownSince[name] = now }
    }

    /// Whether every name is known, or was given up.
    var isComplete: Bool { names.allSatisfy { answers[$0] != nil } }

    /// What to do now; a name that is told is this caller's until ``answered(_:_:at:)``.
    mutating func next(at now: Instant) -> Step {
        let free = names.filter { !asked.contains($0) }
        // What was never asked for goes first.
        guard let first = free.min(by: { due[$0] ?? .zero < due[$1] ?? .zero }) else { return .wait(nil) }
        if let deadline = due[first], deadline > now { return .wait(deadline) }
        asked.insert(first)
        return .ask(first, known: Set(answers[first]?.addresses.map(\.family) ?? []), isLast: free.count == 1)
    }

    /// Takes in what came of a question.
    ///
    /// - Returns: whether there is something new to tell.
    mutating func answered(_ name: String, _ found: NameLookup.Answer, at now: Instant) -> Bool {
        asked.remove(name)
        guard names.contains(name) else { return false }
        let former = answers[name]
        var answer = former ?? Answer()
        let held = answer.addresses.filter { found.unanswered.contains($0.family) }
        let addresses = Set(found.addresses + held).sorted()
        if !addresses.isEmpty {
            answer.addresses = Array(addresses.prefix(Configuration.maximumAddressesOfName))
            answer.dropped = addresses.count - answer.addresses.count
        }
        answer.failure = addresses.isEmpty && found.failure == nil ? "no address" : found.failure?.description
        if answer.failure != nil { answer.failures += 1 }
        answers[name] = answer
        unknownSince[name] = nil
        due[name] = now + (answer.failure == nil ? settings.interval : min(settings.interval, Self.failureInterval))
        guard let former else { return true }
        return former.addresses != answer.addresses || (former.failure == nil) != (answer.failure == nil)
            || (former.dropped == 0) != (answer.dropped == 0)
    }

    /// Ends the wait for names that nobody has answered for: the others must not wait for them. They are asked for as before.
    ///
    /// - Returns: whether there were some.
    mutating func giveUp(at now: Instant) -> Bool {
        let late = unknownSince.filter { $0.value + Self.patience <= now }.keys
        for name in late {
            unknownSince[name] = nil
            answers[name] = Answer(failure: "no answer within \(Self.patience.wholeMilliseconds) ms")
        }
        return !late.isEmpty
    }
}
