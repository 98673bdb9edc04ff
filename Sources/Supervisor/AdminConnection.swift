// One operator's connection to the admin socket.

import Linux
import Wire

/// Reads one request line, gives one answer line, and closes; bounded in size and time.
final class AdminConnection {
    /// Octets of a request.
    private static let requestLimit = 65_536
    /// A request has arrived by then.
    private static let requestTime: Duration = .seconds(5)
    /// An answer has been read by then.
    private static let answerTime: Duration = .seconds(10)

    private enum State {
        case reading([UInt8])
        /// The request is being worked on.
        case waiting
        case writing([UInt8])
        case closed
    }

    /// Called once with the request.
    var onRequest: (JSON) -> Void = { _ in }
    /// Called once, when it is over.
    var onClosed: () -> Void = {}

    private let loop: EventLoop
    private var number: Int32
    private var state = State.reading([])
    private var timer: EventLoop.Timer?

    init(_ socket: consuming FileDescriptor, on loop: EventLoop) throws(Errno) {
        self.loop = loop
        number = socket.release()
        do {
            try loop.add(number, .readable) { [weak self] _ in self?.ready() }
        } catch {
            Descriptor.close(number)
            number = -1
            throw error
        }
        limit(Self.requestTime)
    }

    deinit { if number >= 0 { Descriptor.close(number) } }

    /// An answer that says no.
    static func refusal(_ reason: String) -> JSON { ["ok": false, "error": .string(reason)] }

    /// Its socket, for a program that takes it over; -1 when it is closed.
    var descriptor: Int32 { number }

    /// Its request was read by somebody else.
    func expectAnswer() {
        state = .waiting
        loop.cancel(timer)
        do throws(Errno) { try loop.modify(number, []) } catch { close() }
    }

    /// Answers, then closes.
    func answer(_ answer: JSON) {
        switch state {
        case .reading, .waiting: break
        case .writing, .closed: return
        }
        var bytes: [UInt8] = []
        answer.write(into: &bytes)
        bytes.append(0x0A)
        state = .writing(bytes)
        limit(Self.answerTime)
        write()
    }

    /// Lends the connection's descriptor to somebody who takes a copy and answers instead; then closes here.
    func handOver(_ body: (Int32) -> Bool) {
        guard case .waiting = state else { return }
        if body(number) {
            close()
        } else {
            answer(Self.refusal("the process that would answer takes no requests now"))
        }
    }

    func close() {
        if case .closed = state { return }
        state = .closed
        loop.cancel(timer)
        loop.remove(number)
        Descriptor.close(number)
        number = -1
        onClosed()
    }

    private func limit(_ time: Duration) {
        loop.cancel(timer)
        timer = loop.schedule(at: Clock.now + time) { [weak self] in self?.close() }
    }

    private func ready() {
        switch state {
        case .reading(let bytes): read(after: bytes)
        // The operator has gone.
        case .waiting: close()
        case .writing: write()
        case .closed: break
        }
    }

    private func read(after former: [UInt8]) {
        do {
            let part = try Descriptor.read(number, limit: 16_384)
            guard !part.isEmpty else { return close() }
            let bytes = former + part
            guard let end = bytes.firstIndex(of: 0x0A) else {
                guard bytes.count < Self.requestLimit else {
                    return answer(Self.refusal("a request that does not end"))
                }
                state = .reading(bytes)
                return
            }
            let line = Array(bytes[..<end])
            let request: JSON
            do throws(JSON.Malformed) {
                request = try JSON(parsing: line.span)
            } catch {
                return answer(Self.refusal("the request is not JSON: \(error.reason)"))
            }
            state = .waiting
            // Whoever works on it has bounds of his own.
            loop.cancel(timer)
            // Who asks with a pipe (`socat`, `nc -N`) has closed that half by now, and still waits for the answer: only
            // the end of both halves counts from here on.
            try loop.modify(number, [])
            onRequest(request)
        } catch {
            if !error.isWouldBlock { close() }
        }
    }

    private func write() {
        guard case .writing(let bytes) = state else { return }
        do {
            let taken = try Descriptor.write(number, bytes.span)
            guard taken < bytes.count else { return close() }
            state = .writing(Array(bytes[taken...]))
            try loop.modify(number, .writable)
        } catch {
            guard error.isWouldBlock else { return close() }
            do { try loop.modify(number, .writable) } catch { close() }
        }
    }
}
