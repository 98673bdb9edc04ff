// Carries out health checks: opens the connection, moves the bytes, reports one result for each check.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Wire

/// Runs the checks of all backends on the main thread's event loop.
///
/// When a check is due and what its result means is decided by ``Balancing/Backend``; what an MQTT answer says by
/// ``MQTT/HealthExchange``. At most ``maximumInFlight`` checks run at one time; others wait for the next turn.
final class Prober {
    /// Most checks in flight.
    static let maximumInFlight = 256

    /// One check in flight.
    private final class Check {
        let backend: BackendRuntime
        let server: Int
        let socket: FileDescriptor
        var exchange: HealthExchange?
        /// A PROXY header that has not been sent; it goes before anything else.
        var header: [UInt8] = []
        var timer: EventLoop.Timer?

        init(_ backend: BackendRuntime, _ server: Int, _ socket: consuming FileDescriptor, _ exchange: HealthExchange?)
        {
            self.backend = backend
            self.server = server
            self.socket = socket
            self.exchange = exchange
        }
    }

    private let loop: EventLoop
    private let clientID: [UInt8]
    private var backends: [BackendRuntime] = []
    private var inFlight: [Int32: Check] = [:]
    private var timer: EventLoop.Timer?

    /// - Parameter node: this host's name; part of the client ID that checks use.
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
        for backend in backends {
            if inFlight.count < Self.maximumInFlight {
                for server in backend.startDueChecks(at: now) { begin(backend, server, at: now) }
            }
            if let deadline = backend.current.nextDeadline { next = min(next ?? deadline, deadline) }
        }
        guard let next else { return }
        // Checks that wait for a place in flight are looked at again when one ends, or soon.
        timer = loop.schedule(at: max(next, now + .milliseconds(5))) { [weak self] in self?.schedule() }
    }

    private func begin(_ backend: BackendRuntime, _ server: Int, at now: Instant) {
        let settings = backend.check
        let deadline = now + settings.timeout
        do {
            var exchange: HealthExchange?
            if settings.kind == .mqtt {
                exchange = try HealthExchange(
                    ConnectDraft(version: .v311, clientID: clientID, keepAlive: 10), deadline: deadline)
            }
            let socket = try Socket.connect(backend.address(server))
            let check = Check(backend, server, socket, exchange)
            let number = check.socket.number
            try loop.add(number, .writable) { [weak self] readiness in self?.ready(number, readiness) }
            inFlight[number] = check
            check.timer = loop.schedule(at: deadline) { [weak self] in self?.expired(number) }
        } catch let error as Errno {
            finish(backend, server, .checkFailed(.connect(errno: error.code)))
        } catch {
            preconditionFailure("the check's own CONNECT does not fit a packet: \(error)")
        }
    }

    private func ready(_ number: Int32, _ readiness: EventLoop.Readiness) {
        guard let check = inFlight[number] else { return }
        if readiness.contains(.writable) || readiness.contains(.closed) {
            let code = Socket.error(number)
            if code != 0 {
                end(check, .checkFailed(.connect(errno: code)))
                return
            }
        }
        if readiness.contains(.writable) {
            check.header = check.backend.checkHeader(check.server, from: Socket.localAddress(number))
        }
        guard check.exchange != nil else {
            // A server that waits for a header would log a connection without one. Whether it is taken is the server's
            // affair: it accepted the connection.
            if !check.header.isEmpty { _ = try? Descriptor.write(number, check.header.span) }
            end(check, .checkPassed)
            return
        }
        if readiness.contains(.writable) {
            // From here on only the answer matters.
            do { try loop.modify(number, .readable) } catch {
                end(check, .checkFailed(.connect(errno: error.code)))
                return
            }
            feed(check, .connected)
        }
        if readiness.contains(.readable) || readiness.contains(.closed), inFlight[number] != nil {
            do {
                let bytes = try Descriptor.read(number, limit: HealthExchange.maximumAnswer)
                feed(check, bytes.isEmpty ? .closed : .received(bytes))
            } catch  where error.isWouldBlock {
                return
            } catch {
                feed(check, .closed)
            }
        }
    }

    private func expired(_ number: Int32) {
        guard let check = inFlight[number] else { return }
        if check.exchange == nil { end(check, .checkFailed(.connectTimeout)) } else { feed(check, .timer) }
    }

    private func feed(_ check: Check, _ event: HealthExchange.Event) {
        guard let actions = check.exchange?.handle(event, at: Clock.now) else { return }
        if !actions.send.isEmpty {
            do {
                // A new socket takes these few bytes whole.
                let bytes = check.header + actions.send
                check.header = []
                try Descriptor.write(check.socket.number, bytes.span)
            } catch {
                if actions.verdict == nil {
                    end(check, .checkFailed(.closed))
                    return
                }
            }
        }
        guard let verdict = actions.verdict else { return }
        switch verdict {
        case .alive: end(check, .checkPassed)
        case .draining(let code): end(check, .checkBusy(code: code.rawValue))
        case .failed(let failure): end(check, .checkFailed(Self.translate(failure)))
        }
    }

    private static func translate(_ failure: HealthExchange.Failure) -> HealthState.Failure {
        switch failure {
        case .connectTimeout: .connectTimeout
        case .answerTimeout: .silent
        case .closed: .closed
        case .garbage: .malformed
        case .refused(let code): .connack(code.rawValue)
        }
    }

    private func end(_ check: Check, _ result: HealthState.Event) {
        loop.cancel(check.timer)
        loop.remove(check.socket.number)
        // The descriptor closes with the check.
        inFlight[check.socket.number] = nil
        finish(check.backend, check.server, result)
        schedule()
    }

    private func finish(_ backend: BackendRuntime, _ server: Int, _ result: HealthState.Event) {
        backend.report(result, server: server, at: Clock.now)
    }
}
