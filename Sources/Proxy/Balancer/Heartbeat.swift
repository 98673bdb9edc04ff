// Beats that a busy machine does not hold up.

import Control
import Linux
import Synchronization
import Wire

/// Repeats what the main thread last said to `vip`, from a thread of its own with the lowest real-time priority.
///
/// The supervisor gives it that priority (``ChildMessage/heartbeat(thread:)``): this process has no right to any, and no
/// other thread of it gets one.
///
/// `vip` gives up a balancer that is silent for 75 ms (`BalancerWatch`). On a machine whose cores are taken an ordinary
/// thread waits that long for a core now and then, and a living balancer would be taken for a dead one. This thread does
/// nothing but send a few dozen bytes. What it says is the main thread's word: when that has been silent for
/// ``patience``, so is this.
final class Heartbeat: Sendable {
    /// How long the main thread's last word is repeated. Clients are served without it; when it hangs, the supervisor misses its
    /// beats sooner and starts another balancer.
    static let patience = Duration.seconds(2)
    /// How often it is repeated.
    static let interval = Duration.milliseconds(25)
    /// Computing for so many microseconds without waiting once is running away: the kernel ends the process.
    static let computingLimit: UInt64 = 200_000

    private struct Word: ~Copyable {
        /// A duplicate of the link's, so that its number is nobody else's while it is sent to.
        var socket: FileDescriptor?
        var bytes: [UInt8]?
        var at = Instant.zero
        var thread: Int32?
        var isOrdinary = false
    }

    private let word = Mutex(Word())

    /// The kernel's number of the thread, once it runs.
    var thread: Int32? { word.withLock { $0.thread } }

    /// Starts the thread; it lives as long as the process.
    func start() throws(Errno) {
        _ = try Thread(name: "heartbeat") { [self] in run() }
    }

    /// What is repeated from now on, on this link.
    ///
    /// - Parameter bytes: one datagram; `nil`: nothing is repeated.
    func say(_ bytes: [UInt8]?, at now: Instant) {
        word.withLock { word in
            word.bytes = bytes
            word.at = now
        }
    }

    /// The link is another one, or there is none.
    func follow(_ socket: consuming FileDescriptor?) {
        // Sending one at a time, the closure is called once: what it takes is taken once.
        var new = Optional(socket)
        word.withLock { word in
            word.bytes = nil
            word.socket = new.take() ?? nil
        }
    }

    /// The thread gives up its priority.
    func becomeOrdinary() { word.withLock { $0.isOrdinary = true } }

    private func run() {
        word.withLock { $0.thread = ProcessSelf.thread }
        var next = Clock.now
        while true {
            // The lock is never waited for: who holds it is an ordinary thread and may wait for a core itself.
            word.withLockIfAvailable { word in
                beat(&word)
                if word.isOrdinary { try? ProcessSelf.setOrdinary() }
                word.isOrdinary = false
            }
            next = max(next + Self.interval, Clock.now)
            Clock.sleep(until: next)
        }
    }

    private func beat(_ word: inout Word) {
        guard let bytes = word.bytes, Clock.now - word.at < Self.patience, let number = word.socket?.number else { return }
        // A vip that does not read, or is gone, is the main thread's business.
        try? UnixSocket.send(number, bytes)
    }
}
