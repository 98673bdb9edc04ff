// Serves the status pages: small HTTP, on the main thread, within bounds.

import Linux
import WebSocket
import Wire

/// Answers one request for each connection and closes.
///
/// It shares the main thread with checks and the supervisor's questions, so everything is bounded: connections, their
/// time, what they may send.
final class StatusServer {
    /// Most connections at one time; who comes then waits in the kernel's queue until the next one.
    static let maximumConnections = 32
    /// How long a connection may take, from its accept to the last byte.
    static let patience: Duration = .seconds(5)
    /// How long nothing is accepted after the kernel refused to.
    static let acceptRest: Duration = .milliseconds(100)

    /// One connection.
    private final class Connection {
        let socket: FileDescriptor
        var reader = PageRequestReader()
        var received: [UInt8] = []
        var answer: [UInt8] = []
        var sent = 0
        var timer: EventLoop.Timer?

        init(_ socket: consuming FileDescriptor) { self.socket = socket }
    }

    private let loop: EventLoop
    private let status: () -> JSON
    private var listeners: [Int32] = []
    private var connections: [Int32: Connection] = [:]
    /// Connections accepted.
    private var accepted: UInt64 = 0
    /// Pages sent, and requests that were refused or not finished in time.
    private(set) var served: UInt64 = 0
    private(set) var refused: UInt64 = 0

    /// - Parameter status: what the pages tell, asked for with each of them.
    init(on loop: EventLoop, status: @escaping () -> JSON) {
        self.loop = loop
        self.status = status
    }

    /// Serves at these sockets from now on, and at no others. Whoever owns them closes them.
    ///
    /// - Returns: sockets that cannot be watched.
    func listen(on sockets: [Int32]) -> [(Int32, Errno)] {
        for number in listeners where !sockets.contains(number) { loop.remove(number) }
        var failed: [(Int32, Errno)] = []
        for number in sockets where !listeners.contains(number) {
            do throws(Errno) {
                try loop.add(number, .readable) { [weak self] _ in self?.accept(on: number) }
            } catch {
                failed.append((number, error))
            }
        }
        listeners = sockets.filter { number in !failed.contains { $0.0 == number } }
        return failed
    }

    private func accept(on listener: Int32) {
        while connections.count < Self.maximumConnections {
            do {
                guard let accepted = try Socket.accept(listener) else { return }
                let connection = Connection(accepted.take())
                let number = connection.socket.number
                try loop.add(number, .readable) { [weak self] readiness in self?.ready(number, readiness) }
                connections[number] = connection
                self.accepted += 1
                connection.timer = loop.schedule(at: Clock.now + Self.patience) { [weak self] in
                    self?.refused += 1
                    self?.close(number)
                }
            } catch {
                refused += 1
                // No descriptor or no memory: it stays readable, and asking again at once would change nothing.
                rest()
                return
            }
        }
        // Full: nobody is asked about until one is gone.
        for number in listeners { loop.remove(number) }
    }

    /// Accepts nothing for a while.
    private func rest() {
        for number in listeners { loop.remove(number) }
        loop.schedule(at: Clock.now + Self.acceptRest) { [weak self] in self?.resume() }
    }

    /// Accepts again at all sockets, as long as there is room; what cannot be watched is tried again.
    private func resume() {
        guard connections.count < Self.maximumConnections else { return }
        let sockets = listeners
        for number in sockets { loop.remove(number) }
        listeners = []
        guard !listen(on: sockets).isEmpty else { return }
        listeners = sockets
        rest()
    }

    private func ready(_ number: Int32, _ readiness: EventLoop.Readiness) {
        guard let connection = connections[number] else { return }
        if connection.answer.isEmpty { read(connection) } else { send(connection) }
    }

    private func read(_ connection: Connection) {
        let number = connection.socket.number
        do {
            let bytes = try Descriptor.read(number, limit: PageRequest.maximumLength)
            guard !bytes.isEmpty else {
                close(number)
                return
            }
            // At most the reader's bound and one read more: what is longer has thrown.
            connection.received += bytes
        } catch where error.isWouldBlock {
            return
        } catch {
            close(number)
            return
        }
        do throws(PageRequest.Refusal) {
            let received = connection.received
            guard let request = try connection.reader.read(received.span) else { return }
            let page = StatusPage(request.path)
            served += 1
            // Who asks is being answered, and so are those whose answer was not taken yet.
            let reading = connections.values.count { $0.answer.isEmpty } - 1
            let visits = StatusPage.Visits(open: connections.count, reading: reading, accepted: accepted, requests: served)
            connection.answer = Self.answer(page.map { ($0.type, $0.text(status(), visits)) }, isHead: request.isHead)
        } catch {
            refused += 1
            connection.answer = Self.answer(status: error.status)
        }
        connection.received = []
        send(connection)
    }

    private func send(_ connection: Connection) {
        let number = connection.socket.number
        do throws(Errno) {
            let answer = connection.answer
            while connection.sent < answer.count {
                connection.sent += try Descriptor.write(number, answer.span.extracting(connection.sent..<answer.count))
            }
            // Read to the end: closing with unread bytes would be a reset that destroys the page on its way.
            Socket.shutdownWrite(number)
            _ = try? Descriptor.read(number, limit: PageRequest.maximumLength)
            close(number)
        } catch {
            guard error.isWouldBlock else {
                close(number)
                return
            }
            // Nothing of what it may still say is heard any more.
            do throws(Errno) { try loop.modify(number, .writable) } catch { close(number) }
        }
    }

    private func close(_ number: Int32) {
        guard let connection = connections.removeValue(forKey: number) else { return }
        loop.cancel(connection.timer)
        loop.remove(number)
        if connections.count == Self.maximumConnections - 1 { resume() }
    }

    // MARK: HTTP

    private static func answer(_ page: (type: String, body: String)?, isHead: Bool) -> [UInt8] {
        guard let page else { return answer(status: 404) }
        let head = head("200 OK", page.type, page.body.utf8.count)
        return Array((isHead ? head : head + page.body).utf8)
    }

    private static func answer(status: Int) -> [UInt8] {
        let words =
            switch status {
            case 404: "404 Not Found"
            case 405: "405 Method Not Allowed"
            case 431: "431 Request Header Fields Too Large"
            default: "400 Bad Request"
            }
        let body = words + "\n"
        return Array((head(words, "text/plain; charset=utf-8", body.utf8.count) + body).utf8)
    }

    private static func head(_ status: String, _ type: String, _ length: Int) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(length)\r\n"
            + "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    }
}
