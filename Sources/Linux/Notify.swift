// Tells the service manager how this daemon is doing (sd_notify(3)).

import Glibc
package import Wire

/// The service manager's notification socket; does nothing when nobody asked to be notified.
package struct Notify: Sendable {
    /// Path of the socket; a leading `@` means the abstract namespace.
    private let path: String?
    /// A message socket whose other end passes on what it hears; `nil`: the manager is told directly.
    private let relay: Int32?
    /// How often the manager wants to hear from us, or it restarts us; `nil` when it does not watch.
    package let watchdogLimit: Duration?

    /// - Parameters:
    ///   - socket: the value of `NOTIFY_SOCKET`.
    ///   - watchdogMicroseconds: the value of `WATCHDOG_USEC`.
    ///   - watchdogPID: the value of `WATCHDOG_PID`: whom the watchdog is meant for.
    ///   - relay: a message socket whose other end belongs to `process`, the one the manager knows, and passes on what
    ///     it hears.
    package init(
        socket: String?, watchdogMicroseconds: String? = nil, watchdogPID: String? = nil, relay: Int32? = nil,
        process: Int32 = ProcessSelf.pid
    ) {
        self.relay = relay
        path = socket.flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        let isForUs = watchdogPID.map { $0 == String(process) } ?? true
        watchdogLimit = watchdogMicroseconds.flatMap(Int64.init).flatMap { value in
            value > 0 && isForUs ? .microseconds(value) : nil
        }
    }

    /// What the environment of this process says.
    package static var fromEnvironment: Notify { fromEnvironment(relay: nil, process: ProcessSelf.pid) }

    /// The same for a child of the process the manager knows, which passes on what it hears.
    package static func fromEnvironment(relay: Int32?, process: Int32) -> Notify {
        Notify(
            socket: ProcessSelf.environment("NOTIFY_SOCKET"),
            watchdogMicroseconds: ProcessSelf.environment("WATCHDOG_USEC"),
            watchdogPID: ProcessSelf.environment("WATCHDOG_PID"), relay: relay, process: process)
    }

    /// Says that the service is up, or its reload done.
    package func ready(_ status: String) { send(["READY=1", Self.status(status)]) }

    /// Tells in a line what the service is doing.
    package func status(_ status: String) { send([Self.status(status)]) }

    /// A reload begins; ``ready(_:)`` ends it.
    package func reloading(at now: Instant) { send(["RELOADING=1", "MONOTONIC_USEC=\(now.nanoseconds / 1000)"]) }

    /// Says that the service is ending.
    package func stopping(_ status: String) { send(["STOPPING=1", Self.status(status)]) }

    /// Asks the manager for so much more time to stop.
    package func extend(by time: Duration) { send(["EXTEND_TIMEOUT_USEC=\(time.nanoseconds / 1000)"]) }

    /// A sign of life; due more often than ``watchdogLimit``.
    package func watchdog() { send(["WATCHDOG=1"]) }

    private static func status(_ text: String) -> String {
        "STATUS=" + text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// Best effort: the manager judges by what it hears, and there is nobody else to tell.
    private func send(_ lines: [String]) { pass(Array(lines.joined(separator: "\n").utf8)) }

    /// Passes on what another process of this service says. Best effort, too.
    package func pass(_ words: [UInt8]) {
        if let relay {
            try? UnixSocket.send(relay, words)
        } else if let path {
            try? UnixDatagram.send(words, to: path)
        }
    }
}
