// The scripts in Tests/Interop: the matrix beside keepalived, and the short forms of the long proofs.

import Foundation
import Glibc
import Testing

extension TwoHosts {
    @Suite("Scripts beside keepalived and under load", .serialized)
    struct Scripts {
        private static let folder = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Interop")
        /// The longest output kept of one script, in bytes.
        private static let longestOutput = 1 << 20

        /// Runs a script with the release program; it must find what it demands.
        private static func run(_ script: String, _ arguments: [String]) throws {
            let output = "/tmp/understudy-\(script)-\(getpid()).txt"
            defer { unsafe unlink(output) }
            let words = ["python3", folder.appendingPathComponent(script).path, Setting.program] + arguments
            let command = words.map { "'\($0)'" }.joined(separator: " ") + " >'\(output)' 2>&1 </dev/null"
            // Sound: the text is lent for the duration of the call.
            let status = unsafe system(command)
            let bytes = try Data(contentsOf: URL(fileURLWithPath: output)).suffix(longestOutput)
            let text = String(decoding: bytes, as: UTF8.self)
            print(text.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
            #expect(status == 0, "\(script): \(text)")
        }

        /// 96 cells, 16 at a time; every frame we send in them is shown to tshark.
        @Test("docs/interop-keepalived.md is what happens, and tshark finds all that we send valid", .timeLimit(.minutes(15)))
        func matrix() throws { try Self.run("keepalived-matrix.py", []) }

        @Test("busy cores and pauses of up to 250 ms move nothing", .timeLimit(.minutes(5)))
        func falseFailovers() throws {
            // A machine that is busy besides may add its own; the address is demanded to stay, not the figure.
            try Self.run("vip-proofs.py", ["false-failovers", "--seconds", "20", "--pause", "200"])
        }

        @Test("reloads ten times a second move nothing and lose no advert", .timeLimit(.minutes(5)))
        func reloads() throws { try Self.run("vip-proofs.py", ["reloads", "--count", "100"]) }

        @Test("beside keepalived: a lost host and a planned step-down", .timeLimit(.minutes(5)))
        func race() throws { try Self.run("vip-proofs.py", ["race", "--runs", "3", "--intervals", "100"]) }
    }
}
