// A small TLS server for openssl's client: it tells each client what the handshake came to.

import Linux
import TLS
import Testing
import Wire

/// Serves one connection after another on loopback; every client gets one line and the end of the session.
final class TLSServer {
    /// How a connection ended.
    struct Outcome {
        var facts: TLSFacts?
        var error: TLSError?
    }

    /// What new connections begin with; may be replaced at any time.
    var context: TLSContext
    let port: UInt16
    private(set) var outcomes: [Outcome] = []
    private let loop: EventLoop
    private let listener: FileDescriptor
    private var connections: [Int32: Connection] = [:]

    private final class Connection {
        let socket: FileDescriptor
        let session: TLSSession
        var isTold = false

        init(_ socket: consuming FileDescriptor, _ session: TLSSession) {
            self.socket = socket
            self.session = session
        }
    }

    init(_ context: TLSContext) throws {
        self.context = context
        loop = try EventLoop()
        listener = try Socket.listen(
            SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 16, reusePort: false)
        port = try #require(Socket.localAddress(listener.number)?.port)
        let number = listener.number
        try loop.add(number, .readable) { [unowned self] _ in
            while let accepted = try? Socket.accept(number) {
                guard let session = try? TLSSession(self.context) else { continue }
                add(Connection(accepted.take(), session))
            }
        }
    }

    private func add(_ connection: Connection) {
        let number = connection.socket.number
        connections[number] = connection
        try? loop.add(number, .readable) { [unowned self, unowned connection] _ in serve(connection) }
    }

    private func serve(_ connection: Connection) {
        let number = connection.socket.number
        let bytes: [UInt8]
        do throws(Errno) { bytes = try Descriptor.read(number, limit: 65_536) } catch {
            if !error.isWouldBlock { forget(number) }
            return
        }
        guard !bytes.isEmpty else { return forget(number) }
        do throws(TLSError) {
            try connection.session.receive(bytes.span)
            while try !connection.session.readPlaintext().isEmpty {}
            if let facts = connection.session.facts, !connection.isTold {
                connection.isTold = true
                outcomes.append(Outcome(facts: facts))
                try connection.session.write(Array("TOLD \(TLSServer.text(facts))\n".utf8).span)
                connection.session.close()
            }
        } catch {
            if !connection.isTold { outcomes.append(Outcome(error: error)) }
            connection.isTold = true
        }
        // A few kilobytes, which the socket's buffer takes at once.
        try? Descriptor.writeAll(number, connection.session.takeCiphertext(limit: 1 << 20))
        if connection.isTold { Socket.shutdownWrite(number) }
    }

    private func forget(_ number: Int32) {
        loop.remove(number)
        connections[number] = nil
    }

    /// Facts as one line.
    static func text(_ facts: TLSFacts) -> String {
        [
            facts.version, facts.cipher, "name=\(facts.serverName ?? "-")", "alpn=\(facts.applicationProtocol ?? "-")",
            facts.isResumed ? "resumed" : "full", "client=\(facts.certificate?.commonName ?? "-")",
            facts.isVerified ? "verified" : "unverified",
        ].joined(separator: " ")
    }

    /// Runs `openssl s_client` against this server, and gives everything it printed.
    func client(_ arguments: [String]) throws -> String {
        let file = "\(TLSWorkshop.directory)/client-\(UInt32.random(in: 0 ... .max))"
        let output = try FileTree.open(file, 0o1101)
        let input = try FileTree.open("/dev/null", 0)
        var launch = Process.Launch(
            path: "/usr/bin/openssl",
            arguments: ["openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-ign_eof"] + arguments,
            environment: ["PATH=/usr/bin:/bin"])
        launch.descriptors = [0: input.number, 1: output.number, 2: output.number]
        let process = try Process(launch)
        defer {
            if process.reap() == nil {
                try? process.send(Signals.kill)
                while process.reap() == nil { ProcessSelf.pause(.milliseconds(1)) }
            }
            File.remove(file)
        }
        let limit = Clock.now + .seconds(20)
        while process.reap() == nil {
            try #require(Clock.now < limit, "openssl does not end")
            try loop.turn(limit: .milliseconds(10))
        }
        return String(decoding: try File.read(file, limit: 1 << 20), as: UTF8.self)
    }

    /// What the server told the client; `nil` when no session came about.
    func told(_ arguments: [String]) throws -> String? {
        // Somewhere in a line: what the client itself has to say is written in pieces.
        let output = try client(arguments)
        guard let start = output.ranges(of: "TOLD ").first?.upperBound else { return nil }
        return String(output[start...].prefix { $0 != "\n" })
    }
}
