// An MQTT health check: is there a broker behind this connection, and does it take clients?

package import Wire

/// One check of a server by a real MQTT exchange: CONNECT, CONNACK, DISCONNECT.
///
/// Pure: the shell opens and closes the connection, moves the bytes, and reports. One value for one check. It ends
/// with exactly one verdict, at the latest at the deadline it was given.
package struct HealthExchange: Sendable {
    /// What happened to the check's connection.
    package enum Event: Equatable, Sendable {
        /// The connection is open (TLS and PROXY header included).
        case connected
        /// Bytes arrived.
        case received([UInt8])
        /// The server closed, or the connection broke.
        case closed
        /// Time has passed; sent at or after ``HealthExchange/nextDeadline``.
        case timer
    }

    /// What the shell is to do, in this order.
    package struct Actions: Equatable, Sendable {
        /// Bytes to send; empty: none.
        package var send: [UInt8]
        /// What the check found; given once.
        package var verdict: Verdict?
        /// Close the connection after sending.
        package var close: Bool

        package init(send: [UInt8] = [], verdict: Verdict? = nil, close: Bool = false) {
            self.send = send
            self.verdict = verdict
            self.close = close
        }
    }

    /// What a check found.
    package enum Verdict: Equatable, Sendable {
        /// The broker works. It may have refused the check's credentials or identifier: only a working broker does.
        case alive(ReasonCode)
        /// The broker works and takes no new clients: busy, unavailable, over its limits, or moved.
        case draining(ReasonCode)
        /// There is no working broker.
        case failed(Failure)
    }

    /// Why a check failed.
    package enum Failure: Equatable, Sendable {
        /// The deadline passed before the connection was open.
        case connectTimeout
        /// The deadline passed before a whole CONNACK.
        case answerTimeout
        /// The connection ended before a whole CONNACK.
        case closed
        /// The answer is not a CONNACK, or a broken one.
        case garbage(Violation)
        /// The broker refused for a reason of its own, or one that means the check is set up wrong (its version).
        case refused(ReasonCode)

        /// The stable name for counters and logs.
        package var name: String {
            switch self {
            case .connectTimeout: "connect-timeout"
            case .answerTimeout: "answer-timeout"
            case .closed: "closed"
            case .garbage(let violation): "garbage-" + violation.name
            case .refused(let reason): "refused-" + reason.name
            }
        }
    }

    private enum State: Sendable {
        case connecting(deadline: Instant)
        case awaiting(received: [UInt8], deadline: Instant)
        case done
    }

    /// The longest CONNACK a check reads, in bytes.
    package static let maximumAnswer = 4096

    private let version: ProtocolVersion
    private let connect: [UInt8]
    private var state: State

    /// - Parameters:
    ///   - draft: The CONNECT to send: clean start, a small keep-alive, an identifier no device has, no will.
    ///   - deadline: When the check has failed without an answer, counted from before the connection is opened.
    /// - Throws: ``Oversize`` when the draft's fields are too long.
    package init(_ draft: ConnectDraft, deadline: Instant) throws(Oversize) {
        version = draft.version
        connect = try draft.encode()
        state = .connecting(deadline: deadline)
    }

    /// When ``Event/timer`` is due; nil once the verdict is given.
    package var nextDeadline: Instant? {
        switch state {
        case .connecting(let deadline), .awaiting(_, let deadline): deadline
        case .done: nil
        }
    }

    /// Takes an event, and answers with what is to be done. After the verdict every event answers with nothing.
    package mutating func handle(_ event: Event, at now: Instant) -> Actions {
        switch (state, event) {
        case (.done, _): return Actions()
        case (.connecting(let deadline), .connected):
            if now >= deadline { return end(.failed(.connectTimeout)) }
            state = .awaiting(received: [], deadline: deadline)
            return Actions(send: connect)
        case (.awaiting(let received, let deadline), .received(let bytes)):
            if now >= deadline { return end(.failed(.answerTimeout)) }
            return judge(received + bytes, deadline)
        case (_, .closed): return end(.failed(.closed))
        // A server that talks before it was asked does not speak MQTT.
        case (.connecting, .received): return end(.failed(.garbage(.unexpectedPacket)))
        case (.connecting(let deadline), .timer):
            return now >= deadline ? end(.failed(.connectTimeout)) : Actions()
        case (.awaiting(_, let deadline), .timer):
            return now >= deadline ? end(.failed(.answerTimeout)) : Actions()
        // The second report of one connection says nothing new.
        case (.awaiting, .connected): return Actions()
        }
    }

    private mutating func judge(_ received: [UInt8], _ deadline: Instant) -> Actions {
        do {
            switch try Connack.read(received.span, version: version, maximumLength: Self.maximumAnswer) {
            case .needMore:
                // At most maximumAnswer bytes are kept: a packet announced as longer has thrown.
                state = .awaiting(received: received, deadline: deadline)
                return Actions()
            case .connack(let connack, _): return end(verdict(connack), disconnect: connack.disposition == .accepted)
            // The check offers no authentication method, so AUTH answers something else.
            case .authentication: return end(.failed(.garbage(.unexpectedPacket)))
            }
        } catch {
            return end(.failed(.garbage(error)))
        }
    }

    private func verdict(_ connack: Connack) -> Verdict {
        switch connack.disposition {
        case .accepted: return .alive(connack.reason)
        case .tryAnother: return .draining(connack.reason)
        case .refused:
            switch connack.reason {
            case .badUserNameOrPassword, .notAuthorized, .banned, .badAuthenticationMethod, .clientIdentifierNotValid:
                return .alive(connack.reason)
            default: return .failed(.refused(connack.reason))
            }
        }
    }

    private mutating func end(_ verdict: Verdict, disconnect: Bool = false) -> Actions {
        state = .done
        // A goodbye keeps the broker's log quiet; the same two bytes in every version.
        let goodbye: [UInt8] = disconnect ? [PacketType.disconnect.firstByte, 0] : []
        return Actions(send: goodbye, verdict: verdict, close: true)
    }
}
