// `understudy test`: does MQTT work behind this address?

import Bench
import Linux
import MQTT
import Wire

/// `understudy test URL`.
enum TestCommand {
    static let subcommand = Understudy.Subcommand(
        name: "test", arguments: "mqtt://HOST[:PORT] | mqtts://… | ws://… | wss://… [OPTION…]",
        purpose: "connect, subscribe, publish, receive: does it work?", run: run)

    private static let values: Set = [
        "--ca", "--username", "--password-file", "--client-id", "--topic", "--version", "--timeout",
    ]

    /// Longest time of a test, in seconds.
    private static let limits = 1...300

    static func run(_ arguments: [String]) -> Int32 {
        Understudy.attempt(subcommand) {
            try test(CommandLineOptions(arguments, flags: ["--insecure", "--json"], values: values, words: 1...1))
        }
    }

    private static func test(_ options: CommandLineOptions) throws -> Int32 {
        let url = try BenchURL(options.words[0])
        let isJSON = options.has("--json")
        let settings = try settings(options)
        let trust: SmokeRun.Trust =
            options.has("--insecure") ? .nobody : options.value("--ca").map { .file($0) } ?? .system
        var findings: [JSON] = []
        let isGood = try SmokeRun.run(url, trust: trust, settings) { finding in
            let milliseconds = Double(finding.after.nanoseconds / 1000) / 1000
            findings.append([
                "step": .string(finding.step.rawValue), "ok": .bool(finding.isGood), "result": .string(finding.words),
                "after_ms": .number(milliseconds),
            ])
            guard !isJSON else { return }
            let mark = finding.isGood ? "ok    " : "FAILED"
            let step = finding.step.rawValue + String(repeating: " ", count: 9 - finding.step.rawValue.utf8.count)
            print("\(mark) \(step) \(finding.words)  (\(milliseconds) ms)")
        }
        if isJSON { print(JSON.object([.init("ok", .bool(isGood)), .init("steps", .array(findings))]).text) }
        return isGood ? Understudy.Status.done : Understudy.Status.refused
    }

    private static func settings(_ options: CommandLineOptions) throws -> SmokeTest.Settings {
        // A topic and a session nobody else has.
        let own = String(UInt64.random(in: 0 ... .max), radix: 16)
        var settings = SmokeTest.Settings(
            clientID: Array((options.value("--client-id") ?? "understudy-test-\(own)").utf8),
            topic: Array((options.value("--topic") ?? "understudy/test/\(own)").utf8),
            payload: Array("understudy test \(own)".utf8))
        settings.username = options.value("--username").map { Array($0.utf8) }
        if let path = options.value("--password-file") {
            var password = try File.read(path, limit: 65_535)
            if password.last == 0x0A { password.removeLast() }
            settings.password = password
        }
        switch options.value("--version") {
        case nil, "3.1.1": settings.version = .v311
        case "3.1": settings.version = .v31
        case "5": settings.version = .v5
        case let text?: throw CommandLineOptions.Wrong(message: "--version is 3.1, 3.1.1 or 5, not \"\(text)\"")
        }
        if let text = options.value("--timeout") {
            guard text.hasSuffix("s"), let seconds = Int64(text.dropLast()), limits.contains(Int(seconds)) else {
                throw CommandLineOptions.Wrong(message: "--timeout is 1s to 300s, not \"\(text)\"")
            }
            settings.limit = .seconds(seconds)
        }
        return settings
    }
}
