// The process the service manager knows: starts the supervisor, passes signals and words on, and stays.

import Control
import Linux
import Wire

/// `understudy run` as it is started: what ``Keeping`` decides, done on the kernel.
///
/// It reads no configuration, opens no socket of the service, and holds no descriptor but its own; so it has hardly a reason
/// to die, and it is the parent the kernel gives to every process of the service whose own parent has died.
final class KeeperProcess {
    /// Name of the environment variable with the numbers of the words and of the relay, for a keeper that goes on where
    /// another program was.
    static let variable = "UNDERSTUDY_KEEPER"
    /// What a supervisor says to have the keeper become its program.
    static let follow = Array("FOLLOW".utf8)
    /// Octets of what a supervisor says at once.
    private static let wordsLimit = 4096
    /// How long those who are left may take to end by themselves.
    private static let lastPatience: Duration = .seconds(4)
    /// How long those who were killed then may take to be gone.
    private static let killPatience: Duration = .milliseconds(500)
    /// Where the supervisor finds words and relay.
    private static let wordsNumber: Int32 = 3
    private static let relayNumber: Int32 = 4

    private let words: KeeperWords
    private let relay: FileDescriptor
    private let loop: EventLoop
    private let notify = Notify.fromEnvironment
    private var machine: Keeping
    private var signals: Signals?
    private var isInOrder = false
    /// A signal that ends a supervisor that does not listen yet.
    private var ordered: Int32?
    /// How the last supervisor ended, as wait(2) tells it.
    private var last: Int32 = 0

    /// Keeps the supervisor it starts, or that another program started, until everything has ended.
    ///
    /// - Returns: the exit status.
    static func run() throws(Errno) -> Int32 {
        ProcessSelf.setName("understudy")
        Signals.ignorePipe()
        let keeper =
            if let text = ProcessSelf.environment(variable) { try KeeperProcess(adopting: text) } else { try KeeperProcess() }
        return try keeper.run()
    }

    /// Reads what another program would leave to this one as a keeper, and does nothing with it.
    static func rehearse(_ text: String) throws(Errno) {
        guard let number = text.split(separator: ",").first.flatMap({ Int32($0) }) else {
            throw Errno(Errno.invalid, variable)
        }
        _ = try KeeperWords(adopting: number)
    }

    private init() throws(Errno) {
        words = try KeeperWords()
        let pair = try Socket.messagePair()
        relay = try pair.first.duplicate()
        loop = try EventLoop()
        try Orphans.adopt()
        words.keeper = ProcessSelf.pid
        var launch = Process.Launch.itself(
            arguments: Array(CommandLine.arguments.dropFirst()),
            environment: Self.environment([
                // A crash exits at once: a successor waits for it.
                "SWIFT_BACKTRACE=enable=no",
                "\(Kept.variable)=\(Self.wordsNumber),\(Self.relayNumber)",
            ] + Self.returned))
        launch.descriptors = [Self.wordsNumber: words.number, Self.relayNumber: pair.second.number]
        let supervisor = try Process(launch).pid
        words.supervisor = supervisor
        machine = Keeping(supervisor: supervisor, at: Clock.now)
    }

    private init(adopting text: String) throws(Errno) {
        let numbers = text.split(separator: ",").compactMap { Int32($0) }
        guard numbers.count == 2, numbers[1] > 2 else { throw Errno(Errno.invalid, Self.variable) }
        words = try KeeperWords(adopting: numbers[0])
        relay = FileDescriptor(owning: numbers[1])
        for number in numbers { try Descriptor.setCloseOnExec(number, true) }
        loop = try EventLoop()
        try Orphans.adopt()
        machine = Keeping(supervisor: words.supervisor, hasSpoken: true, at: Clock.now)
    }

    /// The environment it was started with, and something more.
    private static func environment(_ added: [String]) -> [String] {
        let own = ["UNDERSTUDY_KE", "SWIFT_BACKTRACE=", SupervisorProcess.returnedVariable]
        return ProcessSelf.environment.filter { entry in !own.contains { entry.hasPrefix($0) } } + added
    }

    /// Why the program that was to follow the one before this keeper did not, for the first supervisor.
    private static var returned: [String] {
        ProcessSelf.environment.filter { $0.hasPrefix("\(SupervisorProcess.returnedVariable)=") }
    }

    // MARK: Running

    private func run() throws(Errno) -> Int32 {
        try Descriptor.setNonBlocking(relay.number)
        try loop.add(relay.number, .readable) { [unowned self] _ in listen() }
        let wanted = [Signals.terminate, Signals.interrupt, Signals.hangUp, Signals.childEnded]
        signals = try Signals(wanted, on: loop) { [unowned self] signal in
            if signal == Signals.childEnded {
                look()
            } else {
                if signal != Signals.hangUp { ordered = signal }
                obey(machine.handle(.ordered(signal, isLasting: signal != Signals.hangUp), at: Clock.now))
            }
        }
        keepLooking()
        try loop.run()
        return try ended()
    }

    private func keepLooking() {
        look()
        loop.schedule(at: Clock.now + Keeping.Limits.look) { [unowned self] in keepLooking() }
    }

    private func look() {
        while let (pid, status) = Orphans.next() {
            guard pid == words.supervisor else { continue }
            last = status
            guard !words.hasEnded else { continue }
            words.deaths &+= 1
            words.ending = status
        }
        let supervisor = words.supervisor
        let sight = Keeping.Sight(
            supervisor: supervisor, isSupervisorAlive: ProcessSelf.isThere(supervisor),
            isHolderAlive: ProcessSelf.isThere(words.holder), hasEnded: words.hasEnded)
        obey(machine.handle(.seen(sight), at: Clock.now))
    }

    private func listen() {
        while let (bytes, _) = try? UnixSocket.receive(relay.number, limit: Self.wordsLimit), !bytes.isEmpty {
            obey(machine.handle(.heard, at: Clock.now))
            if bytes == Self.follow { become() } else { notify.pass(bytes) }
        }
    }

    private func obey(_ actions: [Keeping.Action]) {
        for action in actions {
            switch action {
            case .signal(let signal, let pid): ProcessSelf.send(signal, to: pid)
            case .kill(let pid):
                complain("the supervisor says nothing and is killed")
                notify.watchdog()
                ProcessSelf.send(Signals.kill, to: pid)
            case .vouch: notify.watchdog()
            case .leave(let isInOrder):
                self.isInOrder = isInOrder
                if !isInOrder, words.holder != 0 { complain("the supervisor is gone, and nobody follows it") }
                loop.stop()
            }
        }
    }

    private func complain(_ text: String) { try? Descriptor.writeAll(2, Array("understudy: \(text)\n".utf8)) }

    // MARK: Another program

    /// Goes on as the program the supervisor is.
    private func become() {
        do throws(Errno) {
            for number in [words.number, relay.number] { try Descriptor.setCloseOnExec(number, false) }
            try ProcessSelf.execute(
                "/proc/\(words.supervisor)/exe", arguments: CommandLine.arguments,
                environment: Self.environment(["\(Self.variable)=\(words.number),\(relay.number)"]))
        } catch {
            for number in [words.number, relay.number] { try? Descriptor.setCloseOnExec(number, true) }
            complain("the keeper stays the program it is: \(error)")
        }
    }

    // MARK: The end

    /// Waits for who is left, then ends, or begins anew as the program the supervisor named.
    private func ended() throws(Errno) -> Int32 {
        let limit = Clock.now + Self.lastPatience
        while Orphans.haveCome, Clock.now < limit {
            if Orphans.next() == nil { ProcessSelf.pause(.milliseconds(2)) }
        }
        for child in Orphans.children(of: ProcessSelf.pid) { ProcessSelf.send(Signals.kill, to: child) }
        // What is killed holds addresses and sockets until it is gone.
        Orphans.reapAll(until: Clock.now + Self.killPatience)
        if isInOrder, let program = words.afterwards {
            do throws(Errno) {
                try ProcessSelf.execute(program, arguments: CommandLine.arguments, environment: Self.environment([]))
            } catch {
                // The known program serves rather than nobody, and says why.
                try ProcessSelf.execute(
                    "/proc/self/exe", arguments: CommandLine.arguments,
                    environment: Self.environment(["\(SupervisorProcess.returnedVariable)=\(error)"]))
            }
        }
        switch Process.Ending(status: last) {
        case .exited(let status) where isInOrder || status != 0: return status
        case .signaled(let signal) where signal == ordered: return 0
        case .exited, .signaled, .unknown: return 1
        }
    }
}
