// The admin socket: one request a connection, one line of JSON, and its answer.

import Control
import Linux
import Wire

/// Listens for operators, reads their requests, and hands each to one handler.
final class AdminServer {
    /// Connections at one time; more are told so and closed.
    static let maximumConnections = 32

    private let loop: EventLoop
    private let listener: FileDescriptor
    private let path: String
    private var connections: [ObjectIdentifier: AdminConnection] = [:]
    private let handle: (JSON, AdminConnection) -> Void
    private var isClosed = false
    /// Connections that were one too many.
    private(set) var refusals: UInt64 = 0

    /// - Parameters:
    ///   - group: who besides our own user may ask; `nil`: nobody.
    ///   - heritage: the listening socket the program before this one had.
    ///   - handle: answers each request, at once or later.
    init(
        path: String, group: UInt32?, heritage: Int32? = nil, on loop: EventLoop,
        _ handle: @escaping (JSON, AdminConnection) -> Void
    ) throws(Errno) {
        self.loop = loop
        self.path = path
        self.handle = handle
        if let heritage {
            listener = FileDescriptor(owning: heritage)
        } else {
            listener = try UnixSocket.listen(path: path, mode: 0o600)
            if let group {
                try File.setGroup(path, group)
                try File.setMode(path, 0o660)
            }
        }
        let number = listener.number
        try loop.add(number, .readable) { [weak self] _ in self?.accept(number) }
    }

    /// The listening socket, for a program that takes it over; `nil`: nobody can ask any more.
    var descriptor: Int32? { isClosed ? nil : listener.number }

    /// Takes over a connection whose request the program before this one has read.
    func take(_ heritage: Int32) -> AdminConnection? {
        guard let connection = try? AdminConnection(FileDescriptor(owning: heritage), on: loop) else { return nil }
        connection.expectAnswer()
        let identity = ObjectIdentifier(connection)
        connection.onClosed = { [weak self] in self?.connections[identity] = nil }
        connections[identity] = connection
        return connection
    }

    /// Stops listening and removes the socket; connections that wait for an answer stay. A second call does nothing: by
    /// then the path may be another daemon's.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.remove(listener.number)
        File.remove(path)
    }

    private func accept(_ number: Int32) {
        for _ in 0..<Self.maximumConnections {
            guard let accepted = try? Socket.accept(number) else { return }
            do {
                let connection = try AdminConnection(accepted.take(), on: loop)
                let identity = ObjectIdentifier(connection)
                connection.onRequest = { [weak self, unowned connection] request in
                    self?.handle(request, connection)
                }
                connection.onClosed = { [weak self] in self?.connections[identity] = nil }
                let isRoom = connections.count < Self.maximumConnections
                connections[identity] = connection
                if !isRoom {
                    refusals += 1
                    connection.answer(AdminConnection.refusal("too many people ask at one time"))
                }
            } catch {
                // Without a place in the loop there is no way to answer; closing tells as much.
                refusals += 1
            }
        }
    }
}
