// The supervisor as one of a row: what its holder would start, and what that would find.

import Linux
import Wire

/// A supervisor's place under its keeper, between its predecessor and its successor.
///
/// It is followed as a balancer is (``Holder``): the holder shares its descriptors, and starts a program that finds them
/// under their numbers, with a list of what they are (``Heritage``).
final class Kept {
    /// Name of the environment variable with the numbers of the words and of the relay.
    static let variable = "UNDERSTUDY_KEPT"
    /// Milliseconds a successor may take to take over: it reads the configuration, on a machine that is busy.
    private static let patience: Int32 = 10_000
    /// Deaths in a row, each before the supervisor had served for a while, that end it.
    private static let maximumRestless: Int32 = 8
    /// How long a supervisor that follows several of such a row waits before it takes over; doubled for each.
    private static let restlessPause: Duration = .milliseconds(25)

    let words: KeeperWords
    private let relay: Int32
    private let holder: Holder
    /// The state that a successor would find, open as long as it is the newest.
    private var state: Int32 = -1
    /// The same, with the numbers of ``copies``.
    private var published: Heritage?
    /// Descriptors of everything that the published state names, for nobody but a successor: what the state names must be open, and be what
    /// it was, at whatever moment this process dies, also while it closes its own.
    private var copies: [File.Identity: Int32] = [:]
    private var isInCharge = false

    /// The place that the keeper gave, or that another program had.
    ///
    /// - Parameter arguments: what a successor is started with.
    init(_ text: String, arguments: [String]) throws(Errno) {
        let numbers = text.split(separator: ",").compactMap { Int32($0) }
        guard numbers.count == 2, numbers[1] > 2 else { throw Errno(Errno.invalid, Self.variable) }
        words = try KeeperWords(adopting: numbers[0])
        relay = numbers[1]
        for number in numbers { try Descriptor.setCloseOnExec(number, false) }
        holder = Holder(
            region: words.region, arguments: arguments, environment: Kept.environment(["\(Self.variable)=\(text)"]),
            patience: Self.patience)
    }

    /// The environment of this process for another one of its kind, and something more.
    static func environment(_ added: [String]) -> [String] {
        ProcessSelf.environment.filter { !$0.hasPrefix("UNDERSTUDY_") } + added
    }

    var variable: String { "\(Self.variable)=\(words.number),\(relay)" }

    var notify: Notify { .fromEnvironment(relay: relay, process: words.keeper) }

    /// The number of the memfd a supervisor left that died; `nil`: there was none, or it had nothing to leave.
    var inheritance: Int32? {
        let number = words[heritage: Holder.generationInCharge(words.region)]
        return number > 2 ? number : nil
    }

    // MARK: Being in charge

    /// Waits longer the more supervisors have died one after another.
    ///
    /// - Returns: `false` when they were too many: nothing follows then.
    func follow() -> Bool {
        words.restless = words.hasServed ? 0 : words.restless &+ 1
        words.hasServed = false
        guard words.restless < Self.maximumRestless else {
            end()
            return false
        }
        if words.restless > 1 { ProcessSelf.pause(Self.restlessPause * (1 << Int(words.restless))) }
        return true
    }

    /// From here on this process is in charge: the holder of the one before it ends.
    func takeCharge() throws(Errno) {
        words.supervisor = ProcessSelf.pid
        words.holder = try startHolder()
        holder.commit()
        isInCharge = true
        if !holder.isOnProbation { holder.forgetPrevious() }
    }

    /// Replaces a holder that has died.
    func keep() {
        guard isInCharge, Holder.hasEnded(words.holder), let pid = try? startHolder() else { return }
        words.holder = pid
    }

    private func startHolder() throws(Errno) -> Int32 {
        // Without a copy that goes on there is a holder or a refusal.
        guard let pid = try holder.start(isAlone: false).pid else { preconditionFailure("a holder that starts programs does not go on itself") }
        return pid
    }

    /// Its death from now on is none of a row.
    func hasServed() { words.hasServed = true }

    /// Leaves this to whoever follows: everything it names stays open when that program begins.
    func publish(_ heritage: Heritage) throws(Errno) {
        var named: [File.Identity: Int32] = [:]
        do throws(Errno) {
            let left = try heritage.renumbered { number throws(Errno) in
                let identity = try Descriptor.identity(number)
                if let copy = named[identity] ?? copies[identity] {
                    named[identity] = copy
                    return copy
                }
                let copy = try Descriptor.duplicate(number)
                try Descriptor.setCloseOnExec(copy.number, false)
                let copied = copy.release()
                named[identity] = copied
                return copied
            }
            if left != published {
                let state = try left.sealed()
                try Descriptor.setCloseOnExec(state.number, false)
                let former = self.state
                self.state = state.release()
                words[heritage: holder.generation] = self.state
                published = left
                if former > 2 { Descriptor.close(former) }
            }
        } catch {
            // What was published before is still whole.
            for (identity, copy) in named where copies[identity] == nil { Descriptor.close(copy) }
            throw error
        }
        for (identity, copy) in copies where named[identity] == nil { Descriptor.close(copy) }
        copies = named
    }

    /// Closes what came from the program before this one and is not in its state: copies, and what it was about to close when it died.
    /// Before anything is opened.
    func closeOthers(but heritage: Heritage) {
        var kept = DescriptorSet()
        for number in [0, 1, 2, words.number, relay, holder.previous ?? 0, Heritage.former ?? 0] + heritage.descriptors { kept.insert(number) }
        kept.closeOthers()
    }

    /// Nothing follows this process: it ends on purpose.
    func end() {
        holder.end()
        words.hasEnded = true
        if isInCharge { Holder.dismiss(words.holder) }
        isInCharge = false
    }

    // MARK: Another program

    /// This process becomes another program, and is followed by the one it is now should that die before ``believe()``.
    func beginProbation() throws(Errno) { try holder.beginProbation() }

    var isOnProbation: Bool { holder.isOnProbation }

    /// The program of this process is kept.
    func believe() { holder.believe() }

    /// Has the keeper become this program.
    func askKeeperToFollow() throws(Errno) { try UnixSocket.send(relay, KeeperProcess.follow) }
}
