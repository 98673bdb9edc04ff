// Whether MQTT works behind an address: connect, subscribe, publish, receive what was published.

package import MQTT
package import Wire

/// One smoke test, without its connection: what is said, what must come back, and how far it came.
///
/// A client subscribes to a topic of its own and publishes a message there with QoS 1; the test is good when the message
/// was acknowledged and came back with the same bytes. It ends with exactly one verdict, at the latest at its deadline.
package struct SmokeTest: Sendable {
    /// The steps, in order.
    package enum Step: String, CaseIterable, Sendable {
        /// TCP.
        case reach
        /// TLS, WebSocket, or both.
        case open
        case connect, subscribe, publish, receive
    }

    /// What happened to the connection.
    package enum Event: Sendable {
        case reached
        /// Packets can be sent: over what, in words; `nil`: over TCP alone.
        case opened(String?)
        case packet(Packet)
        /// The end, with its reason in a few words.
        case closed(String)
        /// Time has passed.
        case timer
    }

    /// A step that is done, or the one that failed.
    package struct Finding: Equatable, Sendable {
        package let step: Step
        package let isGood: Bool
        package let words: String
        /// Since the beginning.
        package let after: Duration
    }

    /// What the shell is to do.
    package struct Actions: Sendable {
        package var send: [Packet] = []
        package var findings: [Finding] = []
        /// Given once; then the connection is closed after sending.
        package var isGood: Bool?
    }

    /// What a test says.
    package struct Settings: Sendable {
        package var version: ProtocolVersion = .v311
        package var clientID: [UInt8]
        package var username: [UInt8]?
        package var password: [UInt8]?
        package var topic: [UInt8]
        package var payload: [UInt8]
        /// How long all of it may take.
        package var limit: Duration = .seconds(10)

        package init(clientID: [UInt8], topic: [UInt8], payload: [UInt8]) {
            self.clientID = clientID
            self.topic = topic
            self.payload = payload
        }
    }

    private let settings: Settings
    private let start: Instant
    private var step: Step? = .reach
    private var isAcknowledged = false
    private var isReceived = false

    package init(_ settings: Settings, at now: Instant) {
        self.settings = settings
        start = now
    }

    /// When ``Event/timer`` is due; `nil` once the verdict is given.
    package var nextDeadline: Instant? { step == nil ? nil : start + settings.limit }

    /// Takes an event, and answers with what is to be done. After the verdict every event answers with nothing.
    package mutating func handle(_ event: Event, at now: Instant) -> Actions {
        guard let current = step else { return Actions() }
        switch event {
        case .closed(let reason): return fail(current, reason, now)
        case .timer: return now - start >= settings.limit ? fail(current, "no answer in time", now) : Actions()
        case .reached: return current == .reach ? done(.reach, "connected", now, next: .open) : Actions()
        case .opened(let words):
            guard current == .open else { return Actions() }
            var actions = words.map { done(.open, $0, now, next: .connect) } ?? Actions()
            step = .connect
            var draft = ConnectDraft(version: settings.version, clientID: settings.clientID, keepAlive: 30)
            draft.username = settings.username
            draft.password = settings.password
            actions.send.append(.connect(draft))
            return actions
        case .packet(let packet): return take(packet, current, now)
        }
    }

    private mutating func take(_ packet: Packet, _ current: Step, _ now: Instant) -> Actions {
        switch (current, packet) {
        case (.connect, .connack(let connack)):
            guard !connack.reason.isFailure else { return fail(.connect, "refused: \(connack.reason.name)", now) }
            var actions = done(.connect, "accepted", now, next: .subscribe)
            actions.send.append(
                .subscribe(Subscribe(identifier: 1, filters: [.init(settings.topic, qos: 1)])))
            return actions
        case (.subscribe, .suback(let suback)):
            guard let code = suback.codes.first, !code.isFailure else {
                return fail(.subscribe, "refused: \(suback.codes.first?.name ?? "an empty answer")", now)
            }
            var actions = done(.subscribe, "granted QoS \(code.rawValue)", now, next: .publish)
            actions.send.append(
                .publish(Publish(topic: settings.topic, payload: settings.payload, qos: 1, identifier: 2)))
            return actions
        case (.publish, .puback(let puback)), (.receive, .puback(let puback)):
            guard puback.identifier == 2 else { return Actions() }
            guard !puback.reason.isFailure else { return fail(.publish, "refused: \(puback.reason.name)", now) }
            isAcknowledged = true
            return finish(done(.publish, "acknowledged", now, next: .receive), now)
        case (.publish, .publish(let publish)), (.receive, .publish(let publish)):
            guard publish.topic == settings.topic else { return Actions() }
            guard publish.payload == settings.payload else {
                return fail(.receive, "another message came, of \(publish.payload.count) bytes", now)
            }
            isReceived = true
            var actions = done(.receive, "the same \(publish.payload.count) bytes", now, next: .receive)
            if publish.qos == 1 { actions.send.append(.puback(Puback(identifier: publish.identifier))) }
            return finish(actions, now)
        // What else a broker says (pings of nobody, retained messages of others) is none of this test's.
        default: return Actions()
        }
    }

    private mutating func done(_ done: Step, _ words: String, _ now: Instant, next: Step) -> Actions {
        step = next
        return Actions(findings: [Finding(step: done, isGood: true, words: words, after: now - start)])
    }

    private mutating func fail(_ failed: Step, _ words: String, _ now: Instant) -> Actions {
        step = nil
        return Actions(
            findings: [Finding(step: failed, isGood: false, words: words, after: now - start)], isGood: false)
    }

    /// Good once the message was acknowledged and came back, in whatever order.
    private mutating func finish(_ actions: Actions, _ now: Instant) -> Actions {
        guard isAcknowledged, isReceived else { return actions }
        var actions = actions
        step = nil
        actions.send.append(.disconnect(Disconnect()))
        actions.isGood = true
        return actions
    }
}
