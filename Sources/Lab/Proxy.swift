// A proxy host of the lab: the program under test, its processes, and questions to it.

import Glibc
package import Linux
import Wire

/// One host of the pair, running `understudy run`.
package final class Proxy {
    /// How long a clean stop may take.
    private static let stopLimit: Duration = .seconds(10)
    /// The longest log read, in bytes.
    private static let maximumLog = 64 << 20

    /// The parts of the daemon that a story may hurt.
    package enum Role: String, Hashable, Sendable, CaseIterable {
        /// The process that was started, parent of all others.
        case keeper
        case supervisor
        case vip
        case balancer
    }

    package let host: Host
    package private(set) var program: Program?
    let bench: Workbench
    private let network: LabNetwork
    private let executable: String
    private var configuration: String { "\(bench.directory)/understudy.conf" }
    /// This host's own directory, which it sees at the path the configuration names.
    var runDirectory: String { "\(bench.directory)/\(host.name)" }

    init(_ host: Host, _ bench: Workbench, _ network: LabNetwork, executable: String) throws(LabError) {
        self.host = host
        self.bench = bench
        self.network = network
        self.executable = executable
        let directory = runDirectory
        try kernel("the directory of \(host.name)") { () throws(Errno) in
            try FileTree.makeDirectory(directory)
        }
    }

    // MARK: Life

    /// Starts the daemon; it may need a moment until it serves.
    package func start() throws(LabError) {
        precondition(program?.ending != nil || program == nil, "\(host.name) runs already")
        // `ip netns exec` gives the daemon a mount namespace of its own: the same path is another directory on the
        // other host, and the same configuration file really works on both.
        program = try bench.start(
            [
                "ip", "netns", "exec", host.namespace, "sh", "-c",
                "mount --bind \"$1\" \"$2\" && ulimit -n \"$(ulimit -H -n)\" && "
                    + "exec \"$3\" run --config \"$4\" --node \"$5\"",
                "sh", runDirectory, "\(bench.directory)/run", executable, configuration, host.name,
            ], log: "\(host.name).log")
    }

    /// Asks the daemon to end, and waits until all of it has.
    package func stop() throws(LabError) {
        guard let program else { return }
        program.signal(SIGTERM)
        try waitUntilEnded()
    }

    /// The daemon's own log so far.
    package var log: String {
        (try? File.read("\(bench.directory)/\(host.name).log", limit: Self.maximumLog)).map {
            String(decoding: $0, as: UTF8.self)
        } ?? ""
    }

    // MARK: Processes

    /// The processes of a role, found in the host's namespace by their command lines.
    package func processes(_ role: Role) throws(LabError) -> [Int32] {
        let name = executable.split(separator: "/").last.map(String.init) ?? executable
        return try network.processes(on: host).filter { process in
            guard let bytes = try? File.read("/proc/\(process)/cmdline", limit: 65_536) else { return false }
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.count > 1, words[0].split(separator: "/").last.map(String.init) == name else { return false }
            guard words[1] == "run" else { return words[1] == role.rawValue }
            // By the kernel's name: the supervisor's holder has the same words.
            let name = (try? File.read("/proc/\(process)/comm", limit: 64)) ?? []
            switch role {
            case .keeper: return name == Array("understudy\n".utf8)
            case .supervisor: return name == Array("understudy-sup\n".utf8)
            case .vip, .balancer: return false
            }
        }
    }

    /// Sends a signal to the processes of a role.
    @discardableResult
    package func signal(_ role: Role, _ number: Int32) throws(LabError) -> Moment {
        let found = try processes(role)
        guard !found.isEmpty else { throw LabError("no \(role.rawValue) process on \(host.name)") }
        return Moment.around { for process in found { _ = kill(process, number) } }
    }

    /// Kills all of the daemon at once, as a host that panics; the kernel keeps what it was told.
    @discardableResult
    package func crash() throws(LabError) -> Moment {
        let found = try network.processes(on: host)
        // Stopped first: none must see the others die, and say goodbye.
        let moment = Moment.around {
            for process in found { _ = kill(process, SIGSTOP) }
            for process in found { _ = kill(process, SIGKILL) }
        }
        try waitUntilEnded()
        return moment
    }

    /// What systemd does after the daemon has ended, however it ended (`ExecStopPost=`).
    package func sweep() throws(LabError) {
        try bench.succeed(["ip", "netns", "exec", host.namespace, executable, "release"])
    }

    /// Waits until the supervisor is gone, so that the daemon can be started again.
    package func waitUntilEnded() throws(LabError) {
        guard let program else { return }
        guard try bench.wait(for: Self.stopLimit, { program.ending != nil }) else {
            throw LabError("understudy on \(host.name) did not end within \(Self.stopLimit.text)")
        }
        self.program = nil
    }

    // MARK: Questions

    /// Runs the program's own command line on this host.
    package func command(_ words: [String]) throws(LabError) -> (ending: Process.Ending, output: String) {
        guard let inside = try network.processes(on: host).first else {
            throw LabError("nothing runs on \(host.name)")
        }
        return try bench.run(
            ["nsenter", "--mount=/proc/\(inside)/ns/mnt", "--net=/proc/\(inside)/ns/net", executable] + words
                + ["--config", configuration])
    }

    /// Whether the kernel of this host has the virtual address.
    package func holdsAddress() throws(LabError) -> Bool {
        try network.holds(host, LabNetwork.virtualAddress)
    }
}
