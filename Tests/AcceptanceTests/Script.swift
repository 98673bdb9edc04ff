// One script of Tests/Acceptance, run to its end.

import Foundation
import Glibc
import Testing

/// A script with real clients and brokers, in namespaces of its own.
enum Script {
    /// The root of the repository.
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The binary under test: a release build, or what `UNDERSTUDY_BINARY` says.
    static var binary: String {
        ProcessInfo.processInfo.environment["UNDERSTUDY_BINARY"]
            ?? root.appendingPathComponent(".build/release/understudy").path
    }

    /// Whether there is a build whose balancer kills itself (`UNDERSTUDY_CHAOS_BINARY`).
    static var hasChaos: Bool { ProcessInfo.processInfo.environment["UNDERSTUDY_CHAOS_BINARY"] != nil }

    /// Runs `words` (a script and its arguments) and requires that it ends well. Returns its lines.
    ///
    /// A script bounds each of its waits; `seconds` bounds it as a whole, and ends everything it started: its processes
    /// have a namespace that dies with it.
    @discardableResult
    static func run(_ words: [String], seconds: Int = 300) throws -> [String] {
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("acceptance-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: output) }
        let script = root.appendingPathComponent("Tests/Acceptance").path
        let command = """
            cd '\(script)' && UNDERSTUDY_BINARY='\(binary)' PYTHONDONTWRITEBYTECODE=1 PATH="$PATH:/usr/sbin:/sbin" \
            timeout --signal=TERM --kill-after=10 \(seconds) /usr/bin/python3 \(words.joined(separator: " ")) \
            >'\(output.path)' 2>&1 </dev/null
            """
        // Sound: the text is lent for the duration of the call. Not Foundation's `Process`, which waits for ever for a
        // child when others that inherited its socket live on.
        let status = unsafe system(command)
        let text = try String(contentsOf: output, encoding: .utf8)
        let lines = text.split(separator: "\n").map(String.init)
        try #require(
            status == 0 && lines.last == "DONE", "\(words.joined(separator: " ")) failed:\n\(text.suffix(12_000))")
        return lines
    }

    /// Programs that the scripts cannot do without, and that are missing here.
    static let missing: [String] = {
        let places = ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/rabbitmq/bin/"]
        let needed = ["unshare", "ip", "openssl", "mosquitto", "mosquitto_pub", "sslscan", "nginx", "rabbitmq-server"]
        return needed.filter { program in
            !places.contains { FileManager.default.isExecutableFile(atPath: $0 + program) }
        }
    }()

    /// Whether this process may make namespaces and finds what it needs; `packaging/run-tests.sh` says loudly when not.
    static var isPossible: Bool { geteuid() == 0 && missing.isEmpty }
}
