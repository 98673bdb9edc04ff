// One running child: its process, its control socket, what it was given.

import Control
import Linux
import Wire

/// A process of one role, from its start to its reaping.
final class ChildHandle {
    typealias Channel = ControlChannel<ChildMessage, SupervisorMessage>

    let role: ChildProcess.Role
    /// Its process, which another one may follow on the same channel.
    private(set) var process: Process
    /// Should it die, another one comes by itself.
    var isHeld = false
    let channel: Channel
    let started: Instant
    /// It was told of no configuration yet.
    var isNew: Bool { given.isEmpty && inPreparation.isEmpty }
    /// Who said last that it took its process's place; 0: nobody since.
    var claimant: Int32 = 0
    /// The program it says it runs; `nil`: it has not said so.
    var program: File.Identity?
    /// What it said of itself last, for people.
    var state: String?
    /// The descriptors it has, by the names it knows them by.
    private var given: Holdings.Named = [:]
    private var inPreparation: Holdings.Named = [:]

    /// Takes over what the program before this one, or a supervisor that died, started.
    ///
    /// - Parameters:
    ///   - keeper: the parent of those whose own has died.
    ///   - holding: what is held under a descriptor's number.
    init(
        _ heritage: Heritage.Child, keeper: Int32, on loop: EventLoop, holding: (Int32) -> Holdings.Holding?
    ) throws(Errno) {
        role = heritage.role
        process =
            if let living = Self.process(heritage.pid, keeper: keeper) { living } else { try Process(departed: heritage.pid) }
        claimant = heritage.claimant
        program = heritage.program
        isHeld = heritage.isHeld
        started = heritage.started
        state = heritage.state
        for (name, number) in heritage.given {
            if let name = DescriptorName(name), let holding = holding(number) { given[name] = holding }
        }
        inPreparation = given
        channel = try Channel(FileDescriptor(owning: heritage.channel), on: loop)
    }

    /// A process that is a child of this one, or of the keeper; `nil`: of neither, so it is gone.
    static func process(_ pid: Int32, keeper: Int32) -> Process? {
        (try? Process(adopting: pid)) ?? (try? Process(following: pid, childOf: keeper))
    }

    /// What the next program is told of it.
    ///
    /// Who dies in the middle of a reload does not know whether the child lives by the one or the other: it is known to have
    /// what is the same in both, and is given the rest again.
    func bequest(restarts: UInt64, lastEnding: String?) -> Heritage.Child {
        Heritage.Child(
            role: role, pid: process.pid, channel: channel.descriptor, isHeld: isHeld, started: started, state: state,
            restarts: restarts, lastEnding: lastEnding, claimant: claimant, program: program,
            given: Dictionary(
                uniqueKeysWithValues: given.filter { inPreparation[$0.key] === $0.value }.map {
                    ($0.key.text, $0.value.descriptor.number)
                }))
    }

    /// Starts this program again in a role.
    ///
    /// - Parameters:
    ///   - user: whom the balancer becomes; `nil`: it stays who we are.
    ///   - program: another program, by its path; `nil`: this one.
    init(
        _ role: ChildProcess.Role, user: String?, program: String? = nil, on loop: EventLoop
    ) throws(Errno) {
        self.role = role
        let pair = try Socket.messagePair()
        var environment = [
            // A crash exits at once: its successor waits for it.
            "SWIFT_BACKTRACE=enable=no", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        ]
        if let stream = ProcessSelf.environment("JOURNAL_STREAM") { environment.append("JOURNAL_STREAM=\(stream)") }
        if let user { environment.append("\(ChildProcess.userVariable)=\(user)") }
        var launch = Process.Launch.itself(arguments: [role.rawValue], environment: environment)
        if let program { launch.path = program }
        launch.descriptors = [ChildProcess.controlDescriptor: pair.second.number]
        process = try Process(launch)
        started = Clock.now
        channel = try Channel(pair.first.duplicate(), on: loop)
    }

    /// Another process has taken its place; it was given nothing yet.
    func succeeded(by process: Process) {
        self.process = process
        claimant = 0
        given = [:]
        inPreparation = [:]
        program = nil
        state = nil
        channel.send(.welcome)
    }

    /// Hands over what the child does not have yet, then the configuration to prepare.
    ///
    /// - Returns: `false` when the channel did not take it all.
    func prepare(_ generation: UInt64, _ bundle: Int32, _ named: Holdings.Named) -> Bool {
        let news = named.filter { name, holding in given[name] !== holding }.sorted { $0.key.text < $1.key.text }
        inPreparation = named
        var isSent = true
        for start in stride(from: 0, to: news.count, by: ControlLimits.descriptors) {
            let part = news[start..<min(start + ControlLimits.descriptors, news.count)]
            isSent =
                channel.send(.descriptors(part.map(\.key)), part.map { $0.value.descriptor.number }) && isSent
        }
        return channel.send(.prepare(generation: generation), [bundle]) && isSent
    }

    func commit(_ generation: UInt64) {
        given = inPreparation
        channel.send(.commit(generation: generation))
    }

    func cancel(_ generation: UInt64) {
        inPreparation = given
        channel.send(.cancel(generation: generation))
    }
}
