// A client that sends any bytes, MQTT or not.

import Linux
package import Wire

/// A TCP connection that sends what it is told and keeps what it gets.
package final class RawClient {
    /// Most bytes kept.
    private static let maximumReceived = 1 << 20

    package private(set) var received: [UInt8] = []
    package private(set) var isClosed = false
    private let loop: EventLoop
    private let number: Int32
    private var unsent: [UInt8] = []
    private var isConnected = false

    /// Begins to connect from a host of the lab.
    package init(from host: Host, to target: SocketAddress, _ lab: Lab) throws(LabError) {
        loop = lab.bench.loop
        number = try kernel("connecting") { () throws(Errno) in
            try lab.bench.inside(host.namespace) { () throws(Errno) in try Socket.connect(target) }.release()
        }
        try kernel("connecting") { () throws(Errno) in
            try loop.add(number, [.readable, .writable]) { [self] readiness in ready(readiness) }
        }
    }

    private func ready(_ readiness: EventLoop.Readiness) {
        do throws(Errno) {
            if readiness.contains(.writable) || readiness.contains(.closed) {
                isConnected = true
                try flush()
            }
            guard readiness.contains(.readable) || readiness.contains(.closed) else { return }
            let bytes = try Descriptor.read(number, limit: 65_536)
            if bytes.isEmpty { return close() }
            if received.count < Self.maximumReceived { received += bytes }
        } catch {
            if !error.isWouldBlock { close() }
        }
    }

    private func flush() throws(Errno) {
        while !unsent.isEmpty {
            let bytes = unsent
            let count = try Descriptor.write(number, bytes.span)
            unsent.removeFirst(count)
        }
        try loop.modify(number, .readable)
    }

    /// Sends the bytes, now or when the connection takes them.
    package func send(_ bytes: [UInt8]) {
        guard !isClosed else { return }
        unsent += bytes
        guard isConnected else { return }
        do throws(Errno) {
            try flush()
        } catch {
            guard error.isWouldBlock else { return close() }
            try? loop.modify(number, [.readable, .writable])
        }
    }

    /// Closes the connection.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.remove(number)
        Descriptor.close(number)
    }
}
