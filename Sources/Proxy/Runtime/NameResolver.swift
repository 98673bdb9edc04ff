// The addresses of servers that are written by name: asked for on threads of their own, kept when nobody answers.

import Configuration
import Linux
import Synchronization
import Wire

/// Looks names up, again and again, and remembers the last good answer of each.
///
/// Looking up may wait for tens of seconds, so it has threads; everybody else reads what is known. A name whose question hangs
/// holds up one of them.
final class NameResolver: Sendable {
    /// What is known of one name.
    struct Answer: Equatable, Sendable {
        /// Of the last good answer of each family, ascending, at most ``Configuration/maximumAddressesOfName``; empty: there was
        /// none yet.
        var addresses: [IPAddress] = []
        /// Addresses of the last good answer that were too many.
        var dropped = 0
        /// Why the last question had no good answer; `nil`: it had.
        var failure: String?
        /// Questions that had no good answer.
        var failures: UInt64 = 0
    }

    private struct State {
        var book: NameBook
        var threads = 0
        var isStopping = false
    }

    /// Most names that are asked for at a time, and threads for it.
    static let maximumThreads = 4

    private let state: Mutex<State>
    private let work: Bell
    private let answered: Bell
    private let start: @Sendable (@escaping @Sendable () -> Void) throws(Errno) -> Void
    private let changed: @Sendable () -> Void

    /// - Parameters:
    ///   - addresses: of names, as a former process knew them.
    ///   - start: starts a thread.
    ///   - changed: called on one of the resolver's threads when an answer differs from the one before.
    init(
        knowing addresses: [String: [IPAddress]] = [:],
        start: @escaping @Sendable (@escaping @Sendable () -> Void) throws(Errno) -> Void = NameResolver.startThread,
        changed: @escaping @Sendable () -> Void
    ) throws(Errno) {
        state = Mutex(State(book: NameBook(addresses.mapValues { Answer(addresses: $0) })))
        work = try Bell()
        answered = try Bell()
        self.start = start
        self.changed = changed
    }

    @Sendable private static func startThread(_ run: @escaping @Sendable () -> Void) throws(Errno) {
        _ = try Thread(name: "resolver", run)
    }

    /// Keeps these names' answers fresh from now on, and forgets all others.
    ///
    /// - Throws: `Errno` when there is no thread at all to ask with; nothing has changed then.
    func watch(_ names: [String], _ settings: Configuration.ResolverSettings) throws(Errno) {
        var threads = state.withLock { $0.threads }
        while threads < min(names.count, Self.maximumThreads) {
            do throws(Errno) {
                try start { [self] in run() }
            } catch {
                // One is enough, if need be; the next call tries again.
                guard threads == 0 else { break }
                throw error
            }
            threads += 1
        }
        state.withLock { state in
            state.threads = threads
            state.book.watch(names, settings, at: Clock.now)
        }
        work.ring()
    }

    /// What is known of every name (``NameBook/answers``).
    var answers: [String: Answer] { state.withLock { $0.book.answers } }

    /// Waits until something is known of every name, at most until `deadline`.
    func awaitFirst(until deadline: Instant) {
        while !state.withLock({ $0.book.isComplete }), Clock.now < deadline { answered.wait(until: deadline) }
    }

    /// Ends the wait for names that nobody has answered for (``NameBook/giveUp(at:)``).
    ///
    /// - Returns: whether there were some.
    func giveUp(at now: Instant) -> Bool { state.withLock { $0.book.giveUp(at: now) } }

    /// Ends the threads after the questions they wait for.
    func stop() {
        state.withLock { $0.isStopping = true }
        work.ring()
    }

    private func run() {
        while true {
            let now = Clock.now
            let (step, settings, isOver) = state.withLock { state in
                (state.isStopping ? .wait(nil) : state.book.next(at: now), state.book.settings, state.isStopping)
            }
            // The bell wakes one thread, which wakes the next while there is something for it.
            if isOver {
                work.ring()
                return
            }
            switch step {
            case .wait(let deadline): work.wait(until: deadline)
            case .ask(let name, let known, let isLast):
                if !isLast { work.ring() }
                let found =
                    settings.server.map { NameLookup.ask($0, name, timeout: settings.timeout) }
                    ?? NameLookup.system(name, known: known)
                let isChanged = state.withLock { $0.book.answered(name, found, at: Clock.now) }
                answered.ring()
                if isChanged { changed() }
            }
        }
    }
}
