// One running `understudy run`, as the tests of the whole daemon start it.

import Glibc
import Linux
import Supervisor
import Testing
import Wire

/// The daemon of this build on loopback, ended with the test. `understudy` of the debug build, or `UNDERSTUDY_BINARY`.
final class Daemon {
    static let program =
        ProcessSelf.environment("UNDERSTUDY_BINARY") ?? "\(File.currentDirectory)/.build/debug/understudy"

    let directory: String
    let port: UInt16
    let loop: EventLoop
    private let process: Process
    private let notifications: FileDescriptor
    /// What the service manager was told.
    private(set) var told: [String] = []
    private(set) var ending: Process.Ending?

    /// - Parameters:
    ///   - change: the configuration, made from a good one.
    ///   - prepare: what is there before it starts.
    ///   - launcher: a program with arguments that becomes the daemon, whose own arguments follow.
    init(
        _ change: (String) -> String = { $0 }, prepare: (String) throws -> Void = { _ in }, launcher: [String] = []
    ) throws {
        let name = "understudy-daemon-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"
        directory = "/tmp/\(name)"
        try FileTree.makeDirectory(directory)
        let free = try Socket.listen(
            SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 1, reusePort: false)
        port = try #require(Socket.localAddress(free.number)?.port)
        loop = try EventLoop()
        notifications = try UnixDatagram.receiver(at: "@\(name)")
        let file = """
            admin { socket \(directory)/admin.sock }
            listen mqtt { bind 127.0.0.1:\(port); use brokers }
            backend brokers { server one 127.0.0.1:9; stick on client-id table sessions; check none }
            stick-table sessions { key client-id; size 1000 }
            loops 2

            """
        try FileTree.write("\(directory)/understudy.conf", Array(change(file).utf8))
        _ = consume free
        try prepare(directory)
        let errors = try FileTree.open("\(directory).log", O_WRONLY | O_CREAT | O_APPEND)
        let orders = ["run", "--config", "\(directory)/understudy.conf"]
        var launch = Process.Launch(
            path: launcher.first ?? Self.program,
            arguments: launcher.isEmpty ? ["understudy"] + orders : launcher + [Self.program] + orders,
            environment: ["NOTIFY_SOCKET=@\(name)", "PATH=/usr/bin:/bin", "WATCHDOG_USEC=300000"])
        launch.descriptors = [2: errors.number]
        process = try Process(launch)
        try process.watch(on: loop) { [unowned self] in ending = $0 }
        let number = notifications.number
        try loop.add(number, .readable) { [unowned self] _ in
            while let (bytes, _) = try? UnixSocket.receive(number, limit: 4096) {
                told.append(String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    deinit {
        // Its children follow it: they see the end of their sockets.
        process.finish()
        try? FileTree.remove(directory)
        try? FileTree.remove("\(directory).log")
    }

    func turn(until done: () throws -> Bool) throws {
        let limit = Clock.now + .seconds(20)
        while try !done() {
            try #require(Clock.now < limit, "it does not come; told: \(told.suffix(20)); log: \(log.suffix(6000))")
            try loop.turn(limit: .milliseconds(20))
        }
    }

    func isTold(_ word: String) -> Bool { told.contains { $0.hasPrefix(word) } }

    func ask(_ request: JSON) throws -> JSON {
        try AdminClient.ask("\(directory)/admin.sock", request, patience: .seconds(20))
    }

    func balancer() throws -> JSON {
        try #require(
            ask(["command": "status"])["processes"]?.array?.first { $0["role"]?.string == "balancer" })
    }

    /// A listener of the balancer takes a connection.
    func accepts() throws -> Bool {
        let socket = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: port))
        try? Descriptor.waitReadable(socket.number, until: Clock.now + .milliseconds(10))
        return Socket.error(socket.number) == 0
    }

    func send(_ signal: Int32) throws { try process.send(signal) }

    func write(_ text: String) throws {
        try FileTree.write("\(directory)/understudy.conf", Array(text.utf8))
    }

    var file: String {
        (try? File.read("\(directory)/understudy.conf", limit: 65_536))
            .map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// What it and its children have written on standard error.
    var log: String {
        (try? File.read("\(directory).log", limit: 1 << 22)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// What a command of the same program writes.
    func show(_ arguments: [String]) throws -> String {
        let path = "\(directory).shown"
        let file = try FileTree.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        defer { File.remove(path) }
        var launch = Process.Launch(
            path: Self.program, arguments: ["understudy"] + arguments + ["--socket", "\(directory)/admin.sock"],
            environment: ["PATH=/usr/bin:/bin"])
        launch.descriptors = [1: file.number, 2: file.number]
        let command = try Process(launch)
        try turn { command.reap() != nil }
        return String(decoding: try File.read(path, limit: 1 << 22), as: UTF8.self)
    }

    /// The supervisor's process.
    func supervisor() throws -> Int32 {
        let pid = try #require(try ask(["command": "status"])["supervisor"]?["pid"]?.integer)
        return try #require(Int32(exactly: pid))
    }

    /// The keeper's process, which the service manager knows, and the balancer's.
    func processes() throws -> [Int64] {
        [Int64(process.pid), try #require(try balancer()["pid"]?.integer)]
    }

    /// Waits for a balancer that serves and is not `former`.
    func successor(of former: Int64? = nil) throws {
        try turn {
            let balancer = try balancer()
            return balancer["pid"]?.integer != former && balancer["phase"] == "serving"
        }
    }
}
