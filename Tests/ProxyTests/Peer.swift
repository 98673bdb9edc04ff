// One end of a TCP connection as a test holds it: every wait is bounded, so that a hang is a failure.

import Glibc
import Linux
import MQTT
import Synchronization
import Testing
import Wire

/// A scripted client or server.
final class Peer: Sendable {
    /// What went otherwise than the script says.
    enum Failure: Error, Equatable {
        /// Nothing happened for so long that nothing will.
        case timeout(String)
        case ended(after: Int)
    }

    /// How a stream came to its end.
    enum Ending: Equatable {
        case closed
        case reset
    }

    /// Longer than anything that works takes, also on a busy machine.
    static let patience: Int32 = 20_000

    let number: Int32
    private let isOpen = Mutex(true)

    init(_ socket: consuming FileDescriptor) { number = socket.release() }

    deinit { close() }

    /// A client, connected.
    convenience init(
        to address: SocketAddress, from source: IPAddress? = nil, receiveBuffer: Int32? = nil, sendBuffer: Int32? = nil
    ) throws {
        self.init(try Socket.connect(address, from: source))
        if let receiveBuffer { try Socket.set(number, SOL_SOCKET, SO_RCVBUF, receiveBuffer, "SO_RCVBUF") }
        if let sendBuffer { try Socket.set(number, SOL_SOCKET, SO_SNDBUF, sendBuffer, "SO_SNDBUF") }
        try wait(POLLOUT, "connect")
        let code = Socket.error(number)
        if code != 0 { throw Errno(code, "connect \(address)") }
    }

    func close() {
        let wasOpen = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        if wasOpen { Descriptor.close(number) }
    }

    /// Closes with a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        // Sound: the option lives on the stack for the duration of the call.
        _ = unsafe setsockopt(number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// Ends this side's stream.
    func shutdown() { Socket.shutdownWrite(number) }

    /// Whether one of `events` happens within `milliseconds`.
    func happens(_ events: Int32, within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: number, events: Int16(events), revents: 0)
        // Sound: the entry lives on the stack for the duration of the call.
        return unsafe poll(&entry, 1, milliseconds) > 0
    }

    private func wait(_ events: Int32, _ what: String) throws {
        guard happens(events, within: Peer.patience) else { throw Failure.timeout(what) }
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = try sendSome(bytes, from: sent)
            if count == 0 { try wait(POLLOUT, "send, after \(sent) of \(bytes.count) bytes") }
            sent += count
        }
    }

    /// Sends what fits now: 0 when nothing does.
    func sendSome(_ bytes: [UInt8], from start: Int = 0) throws -> Int {
        // Sound: the slice's memory is lent to the call.
        let result = unsafe bytes[start...].withUnsafeBytes { buffer in
            unsafe Glibc.send(number, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        }
        if result >= 0 { return result }
        if errno == EAGAIN { return 0 }
        throw Errno.last("send")
    }

    /// Waits for bytes and takes at most `limit`; empty at the end of the stream.
    func receiveSome(limit: Int = 65_536, _ what: @autoclosure () -> String = "receive") throws -> [UInt8] {
        while true {
            do {
                return try Descriptor.read(number, limit: limit)
            } catch {
                guard error.isWouldBlock else { throw error }
                try wait(POLLIN, what())
            }
        }
    }

    func receive(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receiveSome(
                limit: count - bytes.count, "receive, after \(bytes.count) of \(count) bytes: \(bytes.prefix(8))")
            guard !more.isEmpty else { throw Failure.ended(after: bytes.count) }
            bytes += more
        }
        return bytes
    }

    /// Everything up to the end of the stream.
    func receiveToEnd() throws -> (bytes: [UInt8], ending: Ending) {
        var bytes: [UInt8] = []
        while true {
            do {
                let more = try receiveSome("the end of the stream, after \(bytes.count) bytes")
                if more.isEmpty { return (bytes, .closed) }
                bytes += more
            } catch let error as Errno where error.code == ECONNRESET || error.code == EPIPE {
                return (bytes, .reset)
            }
        }
    }

    /// Sends and expects exactly this answer.
    func exchange(_ bytes: [UInt8], expecting answer: [UInt8], _ location: SourceLocation = #_sourceLocation) throws {
        try send(bytes)
        #expect(try receive(answer.count) == answer, sourceLocation: location)
    }
}

/// A listener whose connections the test takes by hand.
final class Listener: Sendable {
    let number: Int32
    let address: SocketAddress

    /// - Parameter isListening: `false`: the port is taken and every connection refused.
    init(
        isListening: Bool = true, receiveBuffer: Int32? = nil,
        at loopback: SocketAddress = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0)
    ) throws {
        if isListening {
            number = try Socket.listen(loopback, backlog: 4096, reusePort: false).release()
        } else {
            number = try check("socket") { Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
            try Socket.bind(number, loopback)
        }
        if let receiveBuffer { try Socket.set(number, SOL_SOCKET, SO_RCVBUF, receiveBuffer, "SO_RCVBUF") }
        address = try #require(Socket.localAddress(number))
    }

    deinit { Descriptor.close(number) }

    func accept() throws -> Peer {
        while true {
            if let accepted = try Socket.accept(number) { return Peer(accepted.take()) }
            var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            // Sound: the entry lives on the stack for the duration of the call.
            guard unsafe poll(&entry, 1, Peer.patience) > 0 else { throw Peer.Failure.timeout("accept") }
        }
    }

    /// Whether a connection comes within `milliseconds`.
    func isKnocked(within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        // Sound: the entry lives on the stack for the duration of the call.
        return unsafe poll(&entry, 1, milliseconds) > 0
    }
}
