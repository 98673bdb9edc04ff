// Where the observations of a host come from: the balancer's beats, and the attendant.

import Control
import Linux
import Telemetry
import VRRP
import Wire

/// Observes for all virtual routers of the process what is not on the network: servers, files, scripts.
///
/// Interfaces are the drivers' own, for they look at the kernel anyway; the network is the ``NetworkProbe``'s. Nothing
/// here waits. Silence of the attendant is an observation too: *unknown is failed*.
final class Tracker {
    /// How long news of a file may be missing.
    static let filePatience = Duration.seconds(5)
    /// How long news of a script may be missing beyond its interval and its timeout.
    static let scriptPatience = Duration.seconds(2)
    /// How often it is looked whether news are missing.
    private static let watchInterval = Duration.milliseconds(500)

    /// Called with each observation.
    var onObservation: (Tracking.Observation) -> Void = { _ in }
    /// Times news of a file or a script were missing for too long.
    private(set) var silences: UInt64 = 0

    private let loop: EventLoop
    private let log: Log
    private var channel: ControlChannel<AttendantNews, AttendantOrder>?
    private var order = AttendantOrder()
    private var deadlines: [Source: Instant] = [:]
    private var watchTimer: EventLoop.Timer?

    private enum Source: Hashable {
        case file(String)
        case script(AttendantOrder.Script)
    }

    init(on loop: EventLoop, log: Log) {
        self.loop = loop
        self.log = log
    }

    // MARK: What is looked at

    /// Looks at these files and scripts from now on.
    func observe(_ new: AttendantOrder) {
        guard new != order else { return }
        order = new
        let now = Clock.now
        let sources = new.files.map { Source.file($0) } + new.scripts.map { Source.script($0) }
        deadlines = deadlines.filter { sources.contains($0.key) }
        for source in sources where deadlines[source] == nil { deadlines[source] = now + Self.patience(source) }
        if channel == nil, !new.isEmpty { startAttendant() }
        channel?.send(new)
        if new.isEmpty {
            loop.cancel(watchTimer)
            watchTimer = nil
        } else if watchTimer == nil {
            watch()
        }
    }

    private func startAttendant() {
        do throws(Errno) {
            let channel = try ControlChannel<AttendantNews, AttendantOrder>(try Attendant.start(log: log), on: loop)
            channel.onMessage = { [weak self] news, _ in self?.heard(news) }
            channel.onClosed = { [weak self] ending in self?.lost(ending) }
            self.channel = channel
        } catch {
            // Nothing is heard then, and what is not heard of has failed.
            log.error("Files and scripts cannot be tracked.", ["error": error])
        }
    }

    private func lost(_ ending: ControlChannel<AttendantNews, AttendantOrder>.Ending) {
        channel = nil
        log.error("The attendant for files and scripts is gone; it is started again.", ["because": ending])
        loop.schedule(at: Clock.now + .seconds(1)) { [weak self] in
            guard let self, channel == nil, !order.isEmpty else { return }
            startAttendant()
            channel?.send(order)
        }
    }

    /// Ends the attendant, which ends what it runs.
    func close() {
        order = AttendantOrder()
        deadlines = [:]
        loop.cancel(watchTimer)
        watchTimer = nil
        channel?.close()
        channel = nil
    }

    // MARK: News

    private func heard(_ news: AttendantNews) {
        let source: Source?
        switch news {
        case .file(let path, _): source = deadlines[.file(path)] == nil ? nil : .file(path)
        case .script(let name, _): source = order.scripts.first { $0.name == name }.map { .script($0) }
        }
        guard let source else { return }
        deadlines[source] = Clock.now + Self.patience(source)
        onObservation(news.observation)
    }

    private static func patience(_ source: Source) -> Duration {
        switch source {
        case .file: filePatience
        case .script(let script): script.interval + script.timeout + scriptPatience
        }
    }

    private func watch() {
        let now = Clock.now
        for (source, deadline) in deadlines where now >= deadline {
            silences += 1
            deadlines[source] = now + Self.patience(source)
            switch source {
            case .file(let path): onObservation(.file(path, value: nil))
            case .script(let script): onObservation(.script(script.name, .timedOut))
            }
        }
        watchTimer = loop.schedule(at: now + Self.watchInterval) { [weak self] in self?.watch() }
    }

    /// Takes the servers out of a beat.
    ///
    /// A balancer that does not know its servers yet says nothing about them: one that crashed and is back must not cost
    /// the address while it checks them again. What was known stays.
    func heard(_ beat: BalancerBeat) {
        guard beat.settled else { return }
        onObservation(.anyServer(usable: Int(beat.usableServers)))
        for backend in beat.backends {
            onObservation(.servers(backend: backend.name, usable: Int(backend.usableServers)))
        }
    }
}
