// Asks again and again whether the address is served, and knows the gaps.

import Linux
import MQTT
package import Wire

/// Connects every few milliseconds as a new client, waits for CONNACK, and leaves.
///
/// Each attempt stands for itself: one that hangs does not hold up the next, and none is repeated by anything but the
/// kernel's TCP.
package final class Prober {
    /// How often and how patiently it asks.
    package struct Settings {
        /// Begins the client IDs.
        package var name: String
        package var interval: Duration
        /// An attempt without CONNACK fails after this long.
        package var limit: Duration
        package var target: SocketAddress

        package init(name: String, interval: Duration = .milliseconds(5), limit: Duration = .milliseconds(250)) {
            self.name = name
            self.interval = interval
            self.limit = limit
            target = SocketAddress(LabNetwork.virtualAddress, port: 1883)
        }
    }

    /// Most attempts under way at one time; further ones are skipped and counted.
    private static let maximumOutstanding = 500
    /// Client IDs are used again after this many attempts.
    private static let identifiers = 4000

    private struct Attempt {
        let started: Instant
        let connection: MQTTConnection
    }

    /// A probe that was answered.
    package struct Success: Hashable, Sendable {
        /// When CONNECT was about to be sent, and when CONNACK was here.
        package let started: Instant
        package let ended: Instant
    }

    package private(set) var successes: [Success] = []
    /// When each failed attempt began, and why it failed.
    package private(set) var failures: [(started: Instant, reason: String)] = []
    package private(set) var skipped = 0
    private let lab: Lab
    private let settings: Settings
    private var attempts: [Int: Attempt] = [:]
    private var next = 0
    private var timer: EventLoop.Timer?

    package init(_ lab: Lab, _ settings: Settings) {
        self.lab = lab
        self.settings = settings
    }

    /// Begins to probe.
    package func start() { tick(Clock.now) }

    private func tick(_ time: Instant) {
        expire()
        if attempts.count < Self.maximumOutstanding { begin() } else { skipped += 1 }
        // A late loop does not make up for what it missed.
        let following = max(time + settings.interval, Clock.now)
        timer = lab.bench.loop.schedule(at: following) { [weak self] in self?.tick(following) }
    }

    private func begin() {
        let number = next
        next += 1
        let started = Clock.now
        let draft = ConnectDraft(
            version: .v311, clientID: Array("\(settings.name)-\(number % Self.identifiers)".utf8), keepAlive: 30)
        do throws(Errno) {
            let connection = try MQTTConnection(lab.bench, from: lab.client, to: settings.target, draft) {
                [weak self] event in self?.handle(event, number)
            }
            attempts[number] = Attempt(started: started, connection: connection)
        } catch { failures.append((started, "\(error)")) }
    }

    private func handle(_ event: MQTTConnection.Event, _ number: Int) {
        switch event {
        case .packet: return
        case .accepted:
            guard let attempt = attempts.removeValue(forKey: number) else { return }
            successes.append(Success(started: attempt.started, ended: Clock.now))
            attempt.connection.send(.disconnect(Disconnect()))
            attempt.connection.close()
        case .closed(let reason):
            guard let attempt = attempts.removeValue(forKey: number) else { return }
            failures.append((attempt.started, reason))
        }
    }

    private func expire() {
        let now = Clock.now
        for (number, attempt) in attempts where now - attempt.started > settings.limit {
            attempt.connection.close()
            attempts[number] = nil
            failures.append((attempt.started, "no CONNACK within \(settings.limit.text)"))
        }
    }

    /// Waits for the outstanding attempts without beginning new ones.
    package func finish() throws(LabError) {
        lab.bench.loop.cancel(timer)
        timer = nil
        _ = try lab.bench.wait(for: settings.limit) { attempts.isEmpty }
        for (number, attempt) in attempts {
            attempt.connection.close()
            attempts[number] = nil
            failures.append((attempt.started, "no CONNACK within \(settings.limit.text)"))
        }
    }

    /// Ends at once; what is outstanding is not counted.
    package func stop() {
        lab.bench.loop.cancel(timer)
        timer = nil
        for attempt in attempts.values { attempt.connection.close() }
        attempts = [:]
    }

    // MARK: Findings

    /// When the first attempt that began after `time` was answered.
    package func firstAnswer(after time: Instant) -> Instant? {
        successes.lazy.filter { $0.started >= time }.map(\.ended).min()
    }

    /// The longest time between two answers one after the other, of all that arrived from `start` on; what it is longer
    /// than the interval is time without service.
    package func longestGap(since start: Instant) -> Duration {
        let times = successes.map(\.ended).filter { $0 >= start }.sorted()
        return zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .seconds(1_000_000)
    }

    /// Why attempts that began after `time` failed, and how many for each reason; for the reader of a failure.
    package func reasons(since time: Instant) -> String {
        var counts: [String: Int] = [:]
        for failure in failures where failure.started >= time { counts[failure.reason, default: 0] += 1 }
        return counts.sorted { $0.key < $1.key }.map { "\($0.value) x \($0.key)" }.joined(separator: ", ")
    }

    /// How many attempts that began after `time` failed.
    package func failed(since time: Instant) -> Int { failures.count { $0.started >= time } }
}
