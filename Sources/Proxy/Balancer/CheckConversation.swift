// What is said in one check, whatever its kind: bytes out, bytes in, one result.

import Balancing
import Configuration
import MQTT
import Wire

/// One check's exchange with its server, without the socket.
struct CheckConversation {
    /// What a check came to.
    enum Result {
        case event(HealthState.Event)
        case agent(AgentReport)
    }

    /// What is to be done.
    struct Step {
        var send: [UInt8] = []
        /// Given once; then the connection is closed after sending.
        var result: Result?

        /// Puts another step behind this one.
        mutating func append(_ next: Step) {
            send += next.send
            result = result ?? next.result
        }
    }

    private enum Kind {
        case connection
        case mqtt(HealthExchange)
        case http(expected: Int, drain: Int?, request: [UInt8])
        case agent
    }

    private var kind: Kind
    private var received: [UInt8] = []
    private var isConnected = false

    /// - Parameters:
    ///   - clientID: of a check that is given none.
    ///   - target: the Host of a GET that is given none.
    /// - Throws: ``MQTT/Oversize`` when the configured texts do not fit a CONNECT.
    init(
        _ settings: Configuration.CheckSettings, target: SocketAddress, clientID: [UInt8], deadline: Instant
    ) throws(Oversize) {
        switch settings.kind {
        case .none, .tcp, .tls: kind = .connection
        case .agent: kind = .agent
        case .mqtt:
            var draft = ConnectDraft(
                version: settings.isVersion5 ? .v5 : .v311,
                clientID: settings.clientID.map { Array($0.utf8) } ?? clientID, keepAlive: 10)
            draft.username = settings.username.map { Array($0.utf8) }
            draft.password = settings.password.map { Array($0.utf8) }
            kind = .mqtt(try HealthExchange(draft, deadline: deadline))
        case .http:
            // RFC 9112, 3: one GET, and the connection ends with the answer.
            let host = settings.httpHost ?? "\(target)"
            let request =
                "GET \(settings.path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: understudy-check\r\n"
                + "Accept: */*\r\nConnection: close\r\n\r\n"
            kind = .http(
                expected: settings.expectedStatus, drain: settings.drainStatus, request: Array(request.utf8))
        }
    }

    /// The longest answer that is read, in bytes.
    static let maximumAnswer = HealthExchange.maximumAnswer

    /// The connection is there.
    mutating func connected(at now: Instant) -> Step {
        guard !isConnected else { return Step() }
        isConnected = true
        switch kind {
        case .connection: return Step(result: .event(.checkPassed))
        case .agent: return Step()
        case .http(_, _, let request): return Step(send: request)
        case .mqtt: return feed(.connected, at: now)
        }
    }

    /// Bytes came.
    mutating func received(_ bytes: [UInt8], at now: Instant) -> Step {
        switch kind {
        case .connection: return Step()
        case .mqtt: return feed(.received(bytes), at: now)
        case .http, .agent:
            received += bytes.prefix(Self.maximumAnswer - received.count)
            return line(isWhole: received.count >= Self.maximumAnswer)
        }
    }

    /// The server closed, or the connection broke.
    mutating func closed(at now: Instant) -> Step {
        if case .mqtt = kind { return feed(.closed, at: now) }
        // An agent may end its line by closing.
        if case .agent = kind, !received.isEmpty { return line(isWhole: true) }
        return Step(result: .event(.checkFailed(.closed)))
    }

    /// The time is over.
    mutating func expired(at now: Instant) -> Step {
        if case .mqtt = kind { return feed(.timer, at: now) }
        return Step(result: .event(.checkFailed(isConnected ? .silent : .connectTimeout)))
    }

    /// Looks whether the first line is there, which says everything.
    private func line(isWhole: Bool) -> Step {
        let end = received.firstIndex(of: 0x0A)
        guard end != nil || isWhole else { return Step() }
        var line = received[..<(end ?? received.count)]
        if line.last == 0x0D { line.removeLast() }
        switch kind {
        case .agent:
            do throws(AgentReport.Malformed) {
                return Step(result: .agent(try AgentReport(Array(line.prefix(AgentReport.maximumLine)))))
            } catch {
                return Step(result: .event(.checkFailed(.malformed)))
            }
        case .http(let expected, let drain, _):
            guard end != nil, let status = Self.status(line) else {
                return Step(result: .event(.checkFailed(.malformed)))
            }
            if status == expected { return Step(result: .event(.checkPassed)) }
            if status == drain { return Step(result: .event(.checkDraining(.http(status: status)))) }
            return Step(result: .event(.checkFailed(.http(status: status))))
        case .connection, .mqtt: return Step()
        }
    }

    /// The status of `HTTP/1.1 200 OK` (RFC 9112, 4).
    private static func status(_ line: ArraySlice<UInt8>) -> Int? {
        let words = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, String(decoding: words[0], as: UTF8.self).hasPrefix("HTTP/1."), words[0].count == 8,
            words[1].count == 3, words[1].allSatisfy({ 0x30...0x39 ~= $0 })
        else { return nil }
        return Int(String(decoding: words[1], as: UTF8.self))
    }

    private mutating func feed(_ event: HealthExchange.Event, at now: Instant) -> Step {
        guard case .mqtt(var exchange) = kind else { return Step() }
        let actions = exchange.handle(event, at: now)
        kind = .mqtt(exchange)
        return Step(send: actions.send, result: actions.verdict.map { .event(Self.translate($0)) })
    }

    private static func translate(_ verdict: HealthExchange.Verdict) -> HealthState.Event {
        switch verdict {
        case .alive: .checkPassed
        case .draining(let code): .checkBusy(code: code.rawValue)
        case .failed(let failure): .checkFailed(translate(failure))
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
}
