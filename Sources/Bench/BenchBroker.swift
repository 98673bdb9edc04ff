// The test broker: as fast as the kernel lets it, and without a memory.

import Linux
import Synchronization
import TLS
import Wire

/// What the test broker serves.
package struct BrokerSettings: Sendable {
    /// Where, and how; `mqtt://*:1883`.
    package var urls: [BenchURL]
    /// PEM file with certificate and key, for encrypted URLs.
    package var certificate: String?
    /// Threads, each with listeners of its own.
    package var loops: Int

    package init(urls: [BenchURL], certificate: String? = nil, loops: Int = 1) {
        self.urls = urls
        self.certificate = certificate
        self.loops = loops
    }
}

/// A broker for measurements: it answers as ``BrokerConversation`` says, on so many threads.
package final class BenchBroker: Sendable {
    private let threads: [Thread]
    private let stopped: StopFlag

    /// Set by whoever wants the threads to end.
    final class StopFlag: Sendable {
        let isSet = Atomic<Bool>(false)
    }

    /// Listens, and serves from now on.
    ///
    /// - Throws: what the kernel or a certificate refused.
    package init(_ settings: BrokerSettings) throws(BenchRefusal) {
        let context = try settings.certificate.map { (path) throws(BenchRefusal) in
            try BenchSecurity.server(certificate: path)
        }
        let stopped = StopFlag()
        self.stopped = stopped
        var threads: [Thread] = []
        do {
            for number in 0..<settings.loops {
                let loop = try BrokerLoop(settings, context, stopped)
                let name = "bench-broker-\(number)"
                threads.append(try Thread(name: name) { loop.run() })
            }
        } catch {
            stopped.isSet.store(true, ordering: .relaxed)
            for thread in threads { thread.join() }
            throw error as? BenchRefusal ?? BenchRefusal("\(error)")
        }
        self.threads = threads
    }

    /// Ends the threads. Called at most once.
    package func stop() {
        stopped.isSet.store(true, ordering: .relaxed)
        for thread in threads { thread.join() }
    }
}

/// One thread of the broker.
private final class BrokerLoop: @unchecked Sendable {
    // Sound: made by one thread, and handed whole to the one that runs it.
    private struct Client {
        let stream: BenchStream
        var conversation = BrokerConversation()
    }

    /// How long a turn without work lasts.
    private static let wait: Int64 = 50_000_000
    /// Connections taken off a listener's queue in a turn.
    private static let accepts = 256
    private static let backlog: Int32 = 16_384

    private let poller: EdgePoller
    private let stopped: BenchBroker.StopFlag
    private let context: TLSContext?
    /// Listening sockets by their numbers.
    private var listeners: [Int32: (url: BenchURL, socket: ListeningSocket)] = [:]
    /// Clients by the numbers of their sockets; the poller's tags carry the generation besides.
    private var clients: [Client?] = []
    private var generations: [UInt32] = []
    private var buffers = BenchBuffers()
    private var answers: [UInt8] = []

    private final class ListeningSocket {
        let socket: FileDescriptor
        init(_ socket: consuming FileDescriptor) { self.socket = socket }
    }

    init(_ settings: BrokerSettings, _ context: TLSContext?, _ stopped: BenchBroker.StopFlag) throws {
        self.stopped = stopped
        self.context = context
        poller = try EdgePoller(batch: 256)
        for url in settings.urls {
            guard !url.scheme.isEncrypted || context != nil else {
                throw BenchRefusal("\(url.text) needs --certificate")
            }
            let socket = ListeningSocket(
                try Socket.listen(try url.address(), backlog: Self.backlog, reusePort: true))
            try poller.addLevel(socket.socket.number, tag: UInt64(UInt32.max) << 32 | UInt64(socket.socket.number))
            listeners[socket.socket.number] = (url, socket)
        }
    }

    func run() {
        while !stopped.isSet.load(ordering: .relaxed) {
            // A poller that cannot wait is our own mistake: its descriptor is ours.
            guard let count = try? poller.wait(nanoseconds: Self.wait) else {
                preconditionFailure("the broker cannot wait for its sockets")
            }
            for index in 0..<count { serve(poller[index]) }
        }
    }

    private func serve(_ event: EdgePoller.Event) {
        let number = Int32(truncatingIfNeeded: event.tag & 0xFFFF_FFFF)
        if event.tag >> 32 == UInt64(UInt32.max) { return accept(number) }
        let index = Int(number)
        guard index < clients.count, UInt64(generations[index]) == event.tag >> 32, let stream = clients[index]?.stream
        else { return }
        do throws(BenchFailure) {
            if event.isWritable { try stream.flush() }
            guard event.isReadable else { return }
            answers.removeAll(keepingCapacity: true)
            let isWebSocket = stream.speaksFrames
            try stream.receive(&buffers, ending: event.isEnding) { (bytes, buffers) throws(BenchFailure) in
                do throws(BrokerConversation.End) {
                    try clients[index]?.conversation.take(bytes, answers: &answers)
                } catch {
                    throw BenchFailure(error == .disconnected ? "disconnected" : "not spoken here")
                }
                guard !answers.isEmpty else { return }
                if isWebSocket {
                    let frame = BenchStream.framed(answers, isWebSocket: true, isClient: false)
                    try stream.write(frame, &buffers)
                } else {
                    try stream.write(answers, &buffers)
                }
                answers.removeAll(keepingCapacity: true)
            }
        } catch {
            clients[index] = nil
        }
    }

    private func accept(_ number: Int32) {
        guard let url = listeners[number]?.url else { return }
        for _ in 0..<Self.accepts {
            // Out of descriptors: the queue waits until one comes free.
            guard let socket = (try? Socket.accept(number))?.take() else { return }
            var session: TLSSession?
            if url.scheme.isEncrypted, let context {
                guard let made = try? TLSSession(context) else { continue }
                session = made
            }
            try? Socket.setNoDelay(socket.number)
            let index = Int(socket.number)
            while clients.count <= index {
                clients.append(nil)
                generations.append(0)
            }
            generations[index] = (generations[index] &+ 1) & 0x7FFF_FFFF
            let tag = UInt64(generations[index]) << 32 | UInt64(index)
            guard (try? poller.add(socket.number, tag: tag)) != nil else { continue }
            let isWebSocket = url.scheme.isWebSocket
            clients[index] = Client(
                stream: BenchStream(socket, .server(isWebSocket: isWebSocket), tls: session))
        }
    }
}
