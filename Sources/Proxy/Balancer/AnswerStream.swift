// Writes a long answer to an admin connection as fast as it is read.

import Linux
import Wire

/// One admin connection to which lines are written without blocking and without building the whole answer.
///
/// Keeps itself until everything is written, the reader is gone, or it has not read for ``patience``.
final class AnswerStream {
    /// What the source of a long answer has next.
    enum Item {
        case line(JSON)
        /// Nothing found within a bounded search; other work comes first, then the search goes on.
        case pause
        case end
    }

    /// Long answers at one time; who asks for more is told so. Each may hold a description of every session.
    static let maximum = 8
    /// A reader that takes nothing for so long is given up.
    static let patience: Duration = .seconds(10)
    /// Octets made ahead of the reader.
    private static let ahead = 65_536

    private let loop: EventLoop
    private let connection: FileDescriptor
    private var out: [UInt8] = []
    private var source: (() -> Item)?
    private var last: (() -> JSON)?
    private var timer: EventLoop.Timer?
    /// What keeps the stream alive while it writes.
    private var keeper: AnswerStream?
    private let ended: () -> Void

    /// - Parameter ended: Called once, when nothing more is written.
    init(
        _ connection: consuming FileDescriptor, on loop: EventLoop, ended: @escaping () -> Void = {}
    ) throws(Errno) {
        self.loop = loop
        self.connection = connection
        self.ended = ended
        try Descriptor.setNonBlocking(self.connection.number)
    }

    deinit { ended() }

    /// Writes lines until `next` has come to the end, then the last line.
    func feed(_ next: @escaping () -> Item, last: @escaping () -> JSON) {
        precondition(keeper == nil, "a stream is fed once")
        source = next
        self.last = last
        keeper = self
        do {
            try loop.add(connection.number, .writable) { [unowned self] _ in advance() }
        } catch {
            keeper = nil
            return
        }
        arm()
    }

    func feed(once item: JSON, last: JSON) {
        var isTaken = false
        feed {
            defer { isTaken = true }
            return isTaken ? .end : .line(item)
        } last: {
            last
        }
    }

    /// Writes only this line.
    func finish(_ answer: JSON) {
        feed {
            .end
        } last: {
            answer
        }
    }

    private func arm() {
        loop.cancel(timer)
        timer = loop.schedule(at: Clock.now + Self.patience) { [unowned self] in close() }
    }

    private func advance() {
        produce()
        guard !out.isEmpty else {
            // Still searching: the reader waits for us, not we for the reader.
            arm()
            return
        }
        do {
            let ready = out
            let taken = try Descriptor.write(connection.number, ready.span)
            out.removeFirst(taken)
            arm()
        } catch  where error.isWouldBlock {
            return
        } catch {
            close()
            return
        }
        if out.isEmpty, source == nil { close() }
    }

    /// Makes lines ahead of the reader, until there are enough for this turn.
    private func produce() {
        while out.count < Self.ahead, let next = source {
            switch next() {
            case .line(let item): append(item)
            case .pause: return
            case .end:
                source = nil
                if let answer = last?() { append(answer) }
            }
        }
    }

    private func append(_ value: JSON) {
        value.write(into: &out)
        out.append(0x0A)
    }

    private func close() {
        loop.cancel(timer)
        loop.remove(connection.number)
        source = nil
        keeper = nil
    }
}
