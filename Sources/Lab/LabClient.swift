// One device of the lab: keeps a persistent session and comes back when it is thrown out.

import Linux
import MQTT
package import Wire

/// A client with a persistent session and one QoS 1 subscription.
package final class LabClient {
    enum State { case away, connecting, subscribing, up }

    package let name: String
    /// The filter it subscribes to, and nobody else does.
    package var topic: String { "lab/\(name)" }
    private(set) var state = State.away
    /// The last CONNACK's session present.
    package private(set) var sessionPresent = false
    /// Accepted connections.
    package private(set) var accepts = 0
    /// Payloads received, without repetitions of the same.
    package private(set) var messages: Set<[UInt8]> = []
    /// PUBLISH packets received.
    package private(set) var deliveries = 0
    /// Ends of a connection and failed attempts.
    package private(set) var closes = 0
    package private(set) var lastReason = ""
    package private(set) var upSince: Instant?
    private(set) var nextAttempt: Instant = .zero
    private var connection: MQTTConnection?
    private var backoff: Duration
    private var lastSent: Instant = .zero
    private var lastHeard: Instant = .zero
    private let settings: ClientPool.Settings

    init(_ name: String, _ settings: ClientPool.Settings) {
        self.name = name
        self.settings = settings
        backoff = settings.minimumBackoff
    }

    package var isUp: Bool { state == .up }

    func connect(_ bench: Workbench, from host: Host) {
        var draft = ConnectDraft(version: .v311, clientID: Array(name.utf8), keepAlive: settings.keepAlive)
        draft.isCleanStart = false
        state = .connecting
        lastHeard = Clock.now
        do throws(Errno) {
            connection = try MQTTConnection(bench, from: host, to: settings.target, draft) { [weak self] event in
                self?.handle(event)
            }
        } catch { away("\(error)") }
    }

    private func handle(_ event: MQTTConnection.Event) {
        lastHeard = Clock.now
        switch event {
        case .accepted(let present):
            sessionPresent = present
            accepts += 1
            if present { return up() }
            state = .subscribing
            send(.subscribe(Subscribe(identifier: 1, filters: [.init(Array(topic.utf8), qos: 1)])))
        case .packet(.suback): up()
        case .packet(.publish(let publish)):
            deliveries += 1
            messages.insert(publish.payload)
            if publish.qos == 1 { send(.puback(Puback(identifier: publish.identifier))) }
        case .packet: return
        case .closed(let reason): away(reason)
        }
    }

    private func up() {
        state = .up
        upSince = Clock.now
        backoff = settings.minimumBackoff
    }

    private func away(_ reason: String) {
        connection = nil
        state = .away
        upSince = nil
        closes += 1
        lastReason = reason
        // Bounded, and not all at the same moment.
        let jitter = Duration.nanoseconds(Int64.random(in: 0...backoff.nanoseconds))
        nextAttempt = Clock.now + jitter
        backoff = min(backoff * 2, settings.maximumBackoff)
    }

    private func send(_ packet: Packet) {
        lastSent = Clock.now
        connection?.send(packet)
    }

    /// Pings, and gives up what does not answer.
    func tick(_ now: Instant) {
        guard state != .away else { return }
        if now - lastHeard > (state == .up ? settings.silence : settings.attemptLimit) {
            connection?.close()
            return away("silence")
        }
        if state == .up, now - lastSent > .seconds(Int64(settings.keepAlive)) / 2 { send(.pingreq) }
    }

    /// Loses its connection without a word, and comes back by itself.
    package func drop() {
        connection?.close()
        away("dropped")
    }

    /// Leaves without a word, as when its battery is empty; does not come back by itself.
    func abandon() {
        connection?.close()
        connection = nil
        state = .away
        upSince = nil
        nextAttempt = .distantFuture
    }
}
