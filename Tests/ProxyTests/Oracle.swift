// Other programs of the trade, run beside ours on the same bytes.

import Glibc
import Linux
import Testing
import Wire

/// A running haproxy or nginx of Debian's, ended and reaped by ``stop()``.
final class Oracle {
    private let process: Linux.Process
    private let directory: String

    /// - Parameters:
    ///   - program: its name.
    ///   - arguments: behind its name; `FILE` stands for its configuration, `DIRECTORY` for a place to write to.
    ///   - configuration: the same words are replaced in it.
    ///   - descriptors: what it finds under which number.
    init(_ program: String, _ arguments: [String], _ configuration: String, descriptors: [Int32: Int32] = [:]) throws {
        try #require(FileTree.program(program) != nil, "\(program) is missing: run packaging/install-dependencies.sh")
        let path = FileTree.program(program) ?? program
        let name = try FileTree.randomBytes(8).map { String($0, radix: 16) }.joined()
        let directory = "/tmp/understudy-oracle-\(name)"
        try FileTree.makeDirectory(directory)
        self.directory = directory
        let file = directory + "/configuration"
        try File.create(file, mode: 0o644, Array(configuration.replacing("DIRECTORY", with: directory).utf8))
        let words = arguments.map { $0.replacing("FILE", with: file).replacing("DIRECTORY", with: directory) }
        var launch = Linux.Process.Launch(path: path, arguments: [path] + words)
        launch.descriptors = descriptors
        process = try Linux.Process(launch)
    }

    /// Whether it still runs.
    var isRunning: Bool { process.reap() == nil }

    /// Ends and reaps it.
    func stop() {
        try? process.send(SIGTERM)
        if !eventually({ process.reap() != nil }) { try? process.send(SIGKILL) }
        #expect(eventually { process.reap() != nil })
        try? FileTree.remove(directory)
    }

    /// What comes back to a client that sends `bytes`, ends its stream and waits: the echo of what reached a server.
    static func answer(_ bytes: [UInt8], at address: SocketAddress) throws -> [UInt8] {
        let client = try Peer(to: address)
        defer { client.close() }
        // It may be refused before it has said everything.
        if (try? client.send(bytes)) != nil { client.shutdown() }
        do {
            return try client.receiveToEnd().bytes
        } catch let error as Errno where error.code == ECONNRESET || error.code == EPIPE || error.code == ENOTCONN {
            return []
        }
    }
}
