// A scripted MQTT server on a thread of its own.

import Linux
import MQTT
import Synchronization
import Testing
import Wire

/// Accepts connections and treats all of them the same way, which a test may change at any time.
final class Broker: Sendable {
    enum Behaviour: Sendable {
        /// Answers CONNECT with CONNACK 0 in the client's version and then echoes what comes.
        case accept
        /// Echoes what comes from the first byte on.
        case echo
        /// Answers CONNECT with these bytes and then echoes what comes.
        case answer([UInt8])
        /// Answers CONNECT with these bytes and closes.
        case answerAndClose([UInt8])
        /// Sends these bytes as soon as it is connected.
        case greet([UInt8])
        /// Sends these bytes and ends its stream as soon as it is connected, and goes on reading.
        case greetAndEnd([UInt8])
        /// Closes at once.
        case close
        /// Closes with a reset as soon as the first byte arrives.
        case reset
        /// Reads and says nothing.
        case silent
    }

    struct Seen: Sendable {
        var accepted = 0
        var open = 0
        /// The client IDs of the CONNECTs read, in order.
        var clientIDs: [[UInt8]] = []
    }

    private struct State {
        var behaviour: Behaviour
        var seen = Seen()
        var isStopping = false
    }

    let listener: Listener
    var address: SocketAddress { listener.address }
    private let state: Mutex<State>
    private let bell: Bell

    init(
        _ behaviour: Behaviour = .accept,
        at address: SocketAddress = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0)
    ) throws {
        let listener = try Listener(at: address)
        let bell = try Bell()
        self.listener = listener
        self.bell = bell
        state = Mutex(State(behaviour: behaviour))
        _ = try Thread(name: "broker") { [self] in
            do { try serve() } catch { Issue.record("broker: \(error)") }
        }
    }

    var seen: Seen { state.withLock { $0.seen } }

    func become(_ behaviour: Behaviour) { state.withLock { $0.behaviour = behaviour } }

    func stop() {
        state.withLock { $0.isStopping = true }
        bell.ring()
    }

    private func serve() throws {
        let loop = try EventLoop()
        var connections: [Int32: Connection] = [:]
        try loop.add(bell.number, .readable) { [unowned loop] _ in loop.stop() }
        // What the loop calls must not keep it, and with it everything it serves.
        try loop.add(listener.number, .readable) { [self, unowned loop] _ in
            while let accepted = try? Socket.accept(listener.number) {
                let peer = Peer(accepted.take())
                let behaviour = state.withLock { state -> Behaviour in
                    state.seen.accepted += 1
                    state.seen.open += 1
                    return state.behaviour
                }
                let connection = Connection(peer, behaviour)
                connections[peer.number] = connection
                let serve: (EventLoop.Readiness) -> Void = { [self, unowned loop] readiness in
                    connection.handle(readiness)
                    if let id = connection.takeID() { state.withLock { $0.seen.clientIDs.append(id) } }
                    if connection.isOver {
                        loop.remove(peer.number)
                        connections[peer.number] = nil
                        peer.close()
                        state.withLock { $0.seen.open -= 1 }
                    } else {
                        try? loop.modify(peer.number, connection.interest)
                    }
                }
                try? loop.add(peer.number, .readable, serve)
                serve([])
            }
        }
        try loop.run()
    }
}

/// One connection of a ``Broker``.
private final class Connection {
    private let peer: Peer
    private let behaviour: Broker.Behaviour
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var clientID: [UInt8]?
    private var isAnswered = false
    private var isEnded = false
    private(set) var isOver = false

    /// Bytes waiting to be echoed at which reading pauses.
    private static let fill = 1 << 20

    init(_ peer: Peer, _ behaviour: Broker.Behaviour) {
        self.peer = peer
        self.behaviour = behaviour
        switch behaviour {
        case .close: isOver = true
        case .echo: isAnswered = true
        case .greet(let bytes): output = bytes
        case .greetAndEnd(let bytes):
            try? peer.send(bytes)
            peer.shutdown()
        case .accept, .answer, .answerAndClose, .reset, .silent: break
        }
    }

    var interest: EventLoop.Readiness {
        var interest: EventLoop.Readiness = []
        if output.count < Self.fill, !isEnded { interest.insert(.readable) }
        if !output.isEmpty { interest.insert(.writable) }
        return interest
    }

    func takeID() -> [UInt8]? {
        defer { clientID = nil }
        return clientID
    }

    func handle(_ readiness: EventLoop.Readiness) {
        guard !isOver else { return }
        do {
            if !readiness.isDisjoint(with: [.readable, .closed]) { try read() }
            try write()
        } catch {
            isOver = true
        }
        if isEnded, output.isEmpty { isOver = true }
    }

    private func read() throws {
        while output.count < Self.fill, !isEnded {
            do {
                let bytes = try Descriptor.read(peer.number, limit: 65_536)
                if bytes.isEmpty { isEnded = true }
                try take(bytes)
            } catch let error as Errno where error.isWouldBlock {
                return
            }
        }
    }

    private func take(_ bytes: [UInt8]) throws {
        switch behaviour {
        case .reset where !bytes.isEmpty:
            peer.reset()
            isOver = true
            throw Peer.Failure.ended(after: 0)
        case .accept, .answer, .answerAndClose, .echo: break
        case .silent, .greet, .greetAndEnd, .close, .reset: return
        }
        if isAnswered {
            output += bytes
            return
        }
        input += bytes
        let received = input
        let sniffer = ConnectSniffer(policy: ConnectPolicy(maximumLength: 1 << 20))
        guard case .connect(let connect, let length) = try sniffer.sniff(received.span) else { return }
        isAnswered = true
        clientID = connect.clientID.bytes(in: received.span)
        switch behaviour {
        case .answer(let answer), .answerAndClose(let answer): output += answer
        default: output += accepted(connect.version)
        }
        if case .answerAndClose = behaviour {
            isEnded = true
            return
        }
        output += input[length...]
        input = []
    }

    private func write() throws {
        guard !output.isEmpty else { return }
        let count = try peer.sendSome(output)
        output.removeFirst(count)
    }
}
