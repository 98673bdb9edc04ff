// The addresses of servers that are written by name: asked for on a thread of its own, kept when nobody answers.

import Configuration
import Linux
import Synchronization
import Wire

/// Looks names up, again and again, and remembers the last good answer of each.
///
/// Looking up may wait for seconds, so it has a thread; everybody else reads what is known. Names are asked one after
/// the other. A name that fails is asked again after at most ``failureInterval``; nothing is forgotten because of it.
final class NameResolver: Sendable {
    /// What is known of one name.
    struct Answer: Equatable, Sendable {
        /// Of the last good answer, ascending; empty: there was none yet.
        var addresses: [IPAddress] = []
        /// Why the last question had no good answer; `nil`: it had.
        var failure: String?
        /// Questions that had no good answer.
        var failures: UInt64 = 0
    }

    private struct State {
        var settings = Configuration.ResolverSettings()
        var names: [String] = []
        var answers: [String: Answer] = [:]
        var due: [String: Instant] = [:]
        var isStopping = false
        var isRunning = false
    }

    /// The longest wait before a name without an answer is asked for again.
    static let failureInterval: Duration = .seconds(5)

    private let state = Mutex(State())
    private let work: Bell
    private let answered: Bell
    private let changed: @Sendable () -> Void

    /// - Parameter changed: called on the resolver's thread when an answer differs from the one before.
    init(changed: @escaping @Sendable () -> Void) throws(Errno) {
        work = try Bell()
        answered = try Bell()
        self.changed = changed
    }

    /// Keeps these names' answers fresh from now on, and forgets all others.
    func watch(_ names: [String], _ settings: Configuration.ResolverSettings) throws(Errno) {
        let isNew = state.withLock { state -> Bool in
            let isOther = state.settings != settings
            state.settings = settings
            state.names = names
            state.answers = state.answers.filter { names.contains($0.key) }
            state.due = isOther ? [:] : state.due.filter { names.contains($0.key) }
            defer { if !names.isEmpty { state.isRunning = true } }
            return !state.isRunning && !names.isEmpty
        }
        if isNew { _ = try Thread(name: "resolver") { [self] in run() } }
        work.ring()
    }

    /// What is known of every name that was asked for at least once.
    var answers: [String: Answer] { state.withLock { $0.answers } }

    /// Waits until every name was asked for once, at most until `deadline`.
    func awaitFirst(until deadline: Instant) {
        while state.withLock({ state in state.names.contains { state.answers[$0] == nil } }), Clock.now < deadline {
            answered.wait(until: deadline)
        }
    }

    /// Ends the thread after the question it waits for.
    func stop() {
        state.withLock { $0.isStopping = true }
        work.ring()
    }

    private func run() {
        while true {
            let now = Clock.now
            let (next, deadline, settings, isOver) = state.withLock { state in
                let due = state.names.map { ($0, state.due[$0] ?? now) }
                let first = due.min { $0.1 < $1.1 }
                return (first.flatMap { $0.1 <= now ? $0.0 : nil }, first?.1, state.settings, state.isStopping)
            }
            if isOver { return }
            guard let next else {
                work.wait(until: deadline)
                continue
            }
            ask(next, settings)
        }
    }

    private func ask(_ name: String, _ settings: Configuration.ResolverSettings) {
        var addresses: [IPAddress] = []
        var failure: String?
        do throws(NameLookup.Failure) {
            if let server = settings.server {
                addresses = try NameLookup.ask(server, name, timeout: settings.timeout)
            } else {
                addresses = try NameLookup.system(name)
            }
            if addresses.isEmpty { failure = "no address" }
        } catch {
            failure = error.description
        }
        let isChanged = state.withLock { state -> Bool in
            guard state.names.contains(name) else { return false }
            let former = state.answers[name]
            var answer = former ?? Answer()
            answer.failure = failure
            if failure == nil {
                answer.addresses = addresses.sorted()
            } else {
                answer.failures += 1
            }
            state.answers[name] = answer
            let wait = failure == nil ? settings.interval : min(settings.interval, Self.failureInterval)
            state.due[name] = Clock.now + wait
            return former?.addresses != answer.addresses || (former?.failure == nil) != (failure == nil)
        }
        answered.ring()
        if isChanged { changed() }
    }
}
