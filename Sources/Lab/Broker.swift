// A broker of the lab: the real mosquitto.

import Glibc
import Linux
package import Wire

/// mosquitto on a host of its own. Sessions live in its memory: a broker that dies forgets them.
package final class Broker {
    /// How long it may take until it accepts connections.
    private static let startLimit: Duration = .seconds(5)

    package let host: Host
    package var address: SocketAddress { SocketAddress(host.address, port: 1883) }
    package private(set) var program: Program?
    private let bench: Workbench

    init(_ host: Host, _ bench: Workbench) {
        self.host = host
        self.bench = bench
    }

    /// Starts it, and waits until it listens.
    package func start() throws(LabError) {
        let path = "\(bench.directory)/\(host.name).conf"
        let text = """
            listener 1883 0.0.0.0
            allow_anonymous true
            persistence false
            max_queued_messages 10000
            set_tcp_nodelay true
            log_dest stderr
            log_type error
            log_type warning

            """
        try kernel("writing \(path)") { () throws(Errno) in try FileTree.write(path, Array(text.utf8)) }
        let started = try bench.start(
            ["ip", "netns", "exec", host.namespace, "mosquitto", "-c", path], log: "\(host.name).log")
        program = started
        let listening = try bench.wait(for: Self.startLimit) { started.ending != nil || isListening }
        guard listening, started.ending == nil else {
            throw LabError("mosquitto on \(host.name) does not listen; its log is \(bench.directory)/\(host.name).log")
        }
    }

    /// Whether something listens on port 1883 (hexadecimal 075B, state 0A) in the namespace.
    private var isListening: Bool {
        guard let program,
            let bytes = try? File.read("/proc/\(program.process)/net/tcp", limit: 4 << 20)
        else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[1].hasSuffix(":075B") && fields[3] == "0A"
        }
    }

    /// Kills it at once, as a crash does.
    package func kill() throws(LabError) {
        guard let program else { return }
        program.signal(SIGKILL)
        _ = try bench.wait(for: Self.startLimit) { program.ending != nil }
        self.program = nil
    }
}
