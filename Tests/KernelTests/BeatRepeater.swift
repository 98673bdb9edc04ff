// Beats that other tests on the machine do not hold up, as a balancer's own.

import Control
import Linux
import Synchronization
import Wire

/// Repeats a balancer's last word from a thread in real time, until it is given up.
final class BeatRepeater: Sendable {
    private struct Word: ~Copyable {
        var socket: FileDescriptor?
        var bytes: [UInt8]?
        var isOver = false
    }

    private let word = Mutex(Word())

    init() throws {
        _ = try Thread(name: "beats") { [weak self] in
            try? ProcessSelf.setRealtime(priority: 1)
            while let self, self.repeatWord() { Clock.sleep(until: Clock.now + .milliseconds(20)) }
        }
    }

    private func repeatWord() -> Bool {
        word.withLock { word in
            if let number = word.socket?.number, let bytes = word.bytes { try? UnixSocket.send(number, bytes) }
            return !word.isOver
        }
    }

    /// What is repeated; `nil`: nothing.
    func say(_ beat: BalancerBeat?) {
        let bytes = beat.flatMap { ControlChannel<VipNotice, BalancerBeat>.datagram(of: $0) }
        word.withLock { $0.bytes = bytes }
    }

    /// The link on which it is said; `nil`: there is none.
    func follow(_ socket: consuming FileDescriptor?) {
        var new = Optional(socket)
        word.withLock { $0.socket = new.take() ?? nil }
    }

    /// Ends the thread.
    func end() {
        follow(nil)
        word.withLock { $0.isOver = true }
    }
}
