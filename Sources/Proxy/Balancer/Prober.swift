// Carries out health checks: opens the connection, moves the bytes, reports one result for each check.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Wire

/// Runs the checks of all backends on the main thread's event loop.
///
/// When a check is due and what its result means is decided by ``Balancing/Backend``; what is said by
/// ``CheckConversation``, and through what by ``CheckChannel``. At most ``maximumInFlight`` checks run at one time, ``maximumDown`` of them
/// of servers that are down, and at most ``maximumStarts`` begin in one turn; others wait for the next.
final class Prober {
    /// Most checks in flight.
    static let maximumInFlight = 256
    /// Most of these of servers that are down: they often take all of their time, and others must be looked at in time.
    static let maximumDown = 128
    /// Most checks begun in one turn: what is due at one instant is spread over many.
    static let maximumStarts = 32
    /// The shortest time between two turns.
    private static let turn: Duration = .milliseconds(5)
    /// A deadline that is judged later than this was missed because this process stood still: the check gets its time once more.
    static let lateness: Duration = .milliseconds(100)

    /// One check in flight.
    private final class Check {
        let backend: BackendRuntime
        let server: Int
        let socket: FileDescriptor
        let isOfDownServer: Bool
        let timeout: Duration
        let deadline: Instant
        var channel: CheckChannel
        var isConnected = false
        /// A PROXY header that has not been sent; it goes before anything else.
        var header: [UInt8] = []
        var timer: EventLoop.Timer?

        init(
            _ backend: BackendRuntime, _ due: Backend.DueCheck, _ socket: consuming FileDescriptor,
            _ channel: CheckChannel, timeout: Duration, deadline: Instant
        ) {
            self.backend = backend
            server = due.server
            isOfDownServer = due.isOfDownServer
            self.timeout = timeout
            self.deadline = deadline
            self.socket = socket
            self.channel = channel
        }

        /// The time for the conversation: what comes before the deadline is judged comes in time.
        var time: Instant { min(Clock.now, deadline - .nanoseconds(1)) }
    }

    private let loop: EventLoop
    /// What the client IDs of checks begin with.
    private let clientID: [UInt8]
    private var backends: [BackendRuntime] = []
    private var inFlight: [Int32: Check] = [:]
    /// Of ``inFlight``, those of servers that were down.
    private var downInFlight = 0
    /// By backend's number.
    private var skipped: [UInt32: SkippedChecks] = [:]
    /// Told when checks of a backend cannot be made: why the last one could not, and how many could not since the last time.
    var onSkipped: (BackendRuntime, String, Int) -> Void = { _, _, _ in }
    private var timer: EventLoop.Timer?

    /// - Parameter node: this host's name; part of the client ID that checks use. Each server has one of its own: the nodes
    ///   of a cluster would take each other's checks over.
    init(on loop: EventLoop, node: String?) {
        self.loop = loop
        clientID = Array("understudy-check-\(node ?? "alone")-\(getpid())".utf8)
    }

    /// Checks these backends from now on; results of others still count where they belong.
    func adopt(_ backends: [BackendRuntime]) {
        self.backends = backends
        schedule()
    }

    /// Starts what is due and sets the timer for the rest.
    func schedule() {
        loop.cancel(timer)
        timer = nil
        let now = Clock.now
        var next: Instant?
        var starts = Self.maximumStarts
        for backend in backends {
            let most = min(starts, Self.maximumInFlight - inFlight.count)
            if most > 0 {
                let due = backend.startDueChecks(at: now, most: most, mostDown: Self.maximumDown - downInFlight)
                starts -= due.count
                for check in due { begin(backend, check, at: now) }
            }
            if let deadline = backend.keepRings(at: now) { next = min(next ?? deadline, deadline) }
        }
        // Checks that wait for a place are looked at again when one ends.
        if inFlight.count < Self.maximumInFlight {
            let isDownFull = downInFlight >= Self.maximumDown
            for backend in backends {
                guard let deadline = backend.current.nextDeadline(besidesDown: isDownFull) else { continue }
                next = min(next ?? deadline, deadline)
            }
        }
        // Who comes first gets the places: another backend in the next turn.
        if backends.count > 1 { backends.append(backends.removeFirst()) }
        guard let next else { return }
        timer = loop.schedule(at: max(next, now + Self.turn)) { [weak self] in self?.schedule() }
    }

    private func begin(_ backend: BackendRuntime, _ due: Backend.DueCheck, at now: Instant) {
        let server = due.server
        let settings = backend.check
        let deadline = now + settings.timeout
        let place = backend.checkPlace(server)
        do {
            let conversation = try CheckConversation(
                settings, target: place.target, clientID: clientID + Array("-\(backend.number)-\(server)".utf8), deadline: deadline)
            let check = Check(
                backend, due, try Self.connect(place), CheckChannel(conversation, place), timeout: settings.timeout,
                deadline: deadline)
            let number = check.socket.number
            try loop.add(number, .writable) { [weak self] readiness in self?.ready(number, readiness) }
            inFlight[number] = check
            if check.isOfDownServer { downInFlight += 1 }
            check.timer = loop.schedule(at: deadline) { [weak self] in self?.expired(number) }
        } catch let error as Errno {
            guard error.isOwnShortage else {
                finish(backend, server, .event(.checkFailed(.connect(errno: error.code))))
                return
            }
            finish(backend, server, .event(.checkSkipped), because: "\(error)")
        } catch {
            preconditionFailure("the check's own CONNECT does not fit a packet: \(error)")
        }
    }

    /// Connects from the first source that this host has, or from where the kernel chooses.
    private static func connect(_ place: CheckPlace) throws(Errno) -> FileDescriptor {
        for source in place.sources {
            do { return try Socket.connect(place.target, from: source) } catch {
                guard error.isAbsentSource else { throw error }
            }
        }
        return try Socket.connect(place.target)
    }

    private func ready(_ number: Int32, _ readiness: EventLoop.Readiness) {
        guard let check = inFlight[number] else { return }
        if !check.isConnected {
            let code = Socket.error(number)
            if code != 0 {
                end(check, .event(.checkFailed(.connect(errno: code))))
                return
            }
        }
        if readiness.contains(.writable), !check.isConnected {
            check.isConnected = true
            check.header = check.backend.checkHeader(check.server, from: Socket.localAddress(number))
            // From here on only the answer matters.
            do { try loop.modify(number, .readable) } catch {
                end(check, .event(.checkFailed(.connect(errno: error.code))))
                return
            }
            take(check.channel.connected(at: check.time), check)
        }
        if readiness.contains(.readable) || readiness.contains(.closed), inFlight[number] === check {
            do {
                let bytes = try Descriptor.read(number, limit: CheckConversation.maximumAnswer)
                let now = check.time
                take(
                    bytes.isEmpty ? check.channel.closed(at: now) : check.channel.received(bytes, at: now),
                    check)
            } catch  where error.isWouldBlock {
                return
            } catch {
                take(check.channel.closed(at: check.time), check)
            }
        }
    }

    private func expired(_ number: Int32) {
        guard let check = inFlight[number] else { return }
        // What is here already comes before the judgement that nothing came.
        let told = EventLoop.Readiness(asking: number)
        let hasNews = check.isConnected ? told.contains(.readable) : told.contains(.writable)
        if hasNews {
            ready(number, told)
            guard inFlight[number] === check else { return }
        }
        // We stood still: nobody knows what the server would have said.
        if loop.lastLateness > Self.lateness {
            check.timer = loop.schedule(at: Clock.now + check.timeout) { [weak self] in self?.expired(number) }
            return
        }
        take(check.channel.expired(at: Clock.now), check)
    }

    /// Carries out a step of the conversation.
    private func take(_ step: CheckConversation.Step, _ check: Check) {
        // A check of the connection alone says its header too: a server that waits for one would log its want.
        let bytes = check.header + step.send
        check.header = []
        if !bytes.isEmpty {
            do {
                // A new socket takes these few bytes whole.
                try Descriptor.write(check.socket.number, bytes.span)
            } catch {
                if step.result == nil {
                    end(check, .event(.checkFailed(.closed)))
                    return
                }
            }
        }
        if let result = step.result { end(check, result) }
    }

    private func end(_ check: Check, _ result: CheckConversation.Result) {
        loop.cancel(check.timer)
        loop.remove(check.socket.number)
        // The descriptor closes with the check.
        inFlight[check.socket.number] = nil
        if check.isOfDownServer { downInFlight -= 1 }
        finish(check.backend, check.server, result)
        schedule()
    }

    /// - Parameter because: why a check could not be made.
    private func finish(
        _ backend: BackendRuntime, _ server: Int, _ result: CheckConversation.Result, because: String? = nil
    ) {
        let now = Clock.now
        if case .event(.checkSkipped) = result,
            let count = skipped[backend.number, default: SkippedChecks()].skipped(at: now)
        {
            onSkipped(backend, because ?? "the TLS library gave no session", count)
        }
        switch result {
        case .event(let event): backend.report(event, server: server, at: now)
        case .agent(let report): backend.report(report, server: server, at: now)
        }
    }
}
