// `understudy bench`: MQTT load, a broker that is never in the way, and what a stick table costs.

import Bench
import Lab
import Linux
import Proxy
import Wire

/// `understudy bench connect | hold | ping | publish | storm URL`, `understudy bench broker URL…`, `understudy bench table`.
enum BenchCommand {
    static let subcommand = Understudy.Subcommand(
        name: "bench",
        arguments: "connect | hold | ping | publish | storm URL [-c N] [-d TIME] … | broker URL… | table | relay FROM TO",
        purpose: "MQTT load, and a fast test broker", run: run)

    private static let values: Set = [
        "-c", "-d", "-s", "--active", "--warm-up", "--patience", "--question", "--under-way", "--sources", "--loops",
        "--keep-alive", "--tls", "--client", "--watch", "--certificate",
    ]

    /// What each option means; shown by `understudy bench`.
    private static let explanation = """
        understudy bench SCENARIO URL [OPTION…]      one line of JSON on standard output, a summary on standard error
        understudy bench broker URL… [--certificate FILE] [--loops N]
          a broker that welcomes everybody, acknowledges QoS 1, and sends QoS 0 back to sessions that have subscribed
        understudy bench table [-c N] [--alone]
          a stick table of N entries (1,000,000): memory, lookups, adoption, and unless alone how fast another one fetches it
        understudy bench relay ADDRESS:PORT ADDRESS:PORT
          one loop of the balancer, from a listener to a server, without a supervisor: for profilers
        URL: mqtt://HOST:PORT, mqtts://…, ws://…/PATH, wss://…/PATH; certificates of servers are not looked at
        scenarios:

        """
        + LoadScenario.allCases.map { "  \($0.rawValue): \($0.meaning)\n" }.joined() + """
        options:
          -c N               sessions (10); with connect, connections under way at one time
          -d TIME            how long is measured (5s)
          -s BYTES           payload of a message (64)
          --active N         sessions of ping and publish that do anything (all)
          --question WHAT    ping asks with pingreq, qos1 (PUBLISH, PUBACK) or echo (PUBLISH sent back; test broker)
          --warm-up TIME     load before measuring (500ms)
          --patience TIME    until all sessions are up, or back (60s)
          --under-way N      connections begun and not yet up (256; storm: all)
          --sources N        source addresses 127.0.0.1 … for a target on this host (as many as the sessions need)
          --loops N          threads (1)
          --keep-alive SEC   of the sessions (60)
          --tls 1.2 | 1.3    the version spoken (1.3)
          --resume           TLS sessions resume the first one
          --client PREFIX    of the client identifiers (bench)
          --watch PID,PID    processes whose processor time and memory are told
          --json             no summary

        """

    static func run(_ arguments: [String]) -> Int32 {
        guard let verb = arguments.first, verb != "help" else {
            Understudy.complain(explanation)
            return arguments.isEmpty ? Understudy.Status.wrongUsage : Understudy.Status.done
        }
        return Understudy.attempt(subcommand) {
            if verb == "table" { return try table(Array(arguments.dropFirst())) }
            let options = try CommandLineOptions(
                Array(arguments.dropFirst()), flags: ["--json", "--resume"], values: values, words: 1...64)
            if verb == "broker" { return try broker(options) }
            if verb == "relay" { return try relay(options) }
            guard let scenario = LoadScenario(rawValue: verb) else {
                return Understudy.wrongUsage("there is no scenario \"\(verb)\"", of: subcommand)
            }
            return try load(scenario, options)
        }
    }

    private static func broker(_ options: CommandLineOptions) throws -> Int32 {
        var urls: [BenchURL] = []
        for word in options.words { urls.append(try BenchURL(word)) }
        let loops = try number(options, "--loops", 1...LoadSettings.maximumLoops) ?? 1
        // As many clients as this process may have.
        _ = try ResourceLimits.raiseOpenFiles(to: try ResourceLimits.openFiles().hard)
        Interruption.watch()
        let broker = try BenchBroker(
            BrokerSettings(urls: urls, certificate: options.value("--certificate"), loops: loops))
        Understudy.complain("serving \(urls.map(\.text).joined(separator: " ")), process \(ProcessSelf.pid)\n")
        while !Interruption.isRequested { ProcessSelf.pause(.milliseconds(50)) }
        broker.stop()
        return Understudy.Status.done
    }

    private static func table(_ arguments: [String]) throws -> Int32 {
        let options = try CommandLineOptions(arguments, flags: ["--alone"], values: ["-c"], words: 0...0)
        let entries = try number(options, "-c", 1...TableMeasurement.maximumEntries) ?? 1_000_000
        print(try TableMeasurement(entries: entries, replicates: !options.has("--alone")).run().text)
        return Understudy.Status.done
    }

    private static func relay(_ options: CommandLineOptions) throws -> Int32 {
        let addresses = options.words.compactMap { SocketAddress($0) }
        guard addresses.count == 2, options.words.count == 2 else {
            throw CommandLineOptions.Wrong(message: "relay needs where to listen and a server, ADDRESS:PORT each")
        }
        Signals.ignorePipe()
        Interruption.watch()
        try LoneLoop.start(listening: addresses[0], server: addresses[1])
        while !Interruption.isRequested { ProcessSelf.pause(.milliseconds(50)) }
        return Understudy.Status.done
    }

    private static func load(_ scenario: LoadScenario, _ options: CommandLineOptions) throws -> Int32 {
        guard options.words.count == 1 else { throw CommandLineOptions.Wrong(message: "one URL, please") }
        let settings = try settings(scenario, options)
        Interruption.watch()
        let report = try LoadRun.measure(settings, isInterrupted: { Interruption.isRequested })
        print(report.json.text)
        if !options.has("--json") { Understudy.complain(report.text + "\n") }
        return report.isComplete && report.lost == 0 ? Understudy.Status.done : Understudy.Status.refused
    }

    private static func settings(_ scenario: LoadScenario, _ options: CommandLineOptions) throws -> LoadSettings {
        var settings = LoadSettings(scenario, try BenchURL(options.words[0]))
        settings.connections = try number(options, "-c", 1...LoadSettings.maximumConnections) ?? settings.connections
        settings.active = try number(options, "--active", 0...LoadSettings.maximumConnections)
        settings.payload = try number(options, "-s", 0...(1 << 24)) ?? settings.payload
        settings.underWay = try number(options, "--under-way", 1...LoadSettings.maximumConnections)
        // A source address has 28,000 ports for one target where the kernel's range is the usual one.
        settings.sources = try number(options, "--sources", 0...250) ?? automaticSources(settings)
        settings.loops = try number(options, "--loops", 1...LoadSettings.maximumLoops) ?? settings.loops
        settings.keepAlive = UInt16(try number(options, "--keep-alive", 0...65_535) ?? Int(settings.keepAlive))
        settings.duration = try duration(options, "-d") ?? settings.duration
        settings.warmUp = try duration(options, "--warm-up") ?? settings.warmUp
        settings.patience = try duration(options, "--patience") ?? settings.patience
        settings.question = try word(options, "--question") ?? settings.question
        settings.tlsVersion = try word(options, "--tls") ?? settings.tlsVersion
        settings.resumes = options.has("--resume")
        if let prefix = options.value("--client") {
            guard prefix.utf8.count <= 64 else { throw CommandLineOptions.Wrong(message: "--client is too long") }
            settings.clientPrefix = prefix
        }
        if let list = options.value("--watch") {
            settings.watched = try list.split(separator: ",").map { text in
                guard let process = Int32(text), process > 0 else {
                    throw CommandLineOptions.Wrong(message: "--watch needs numbers of processes")
                }
                return process
            }
        }
        return settings
    }

    private static func automaticSources(_ settings: LoadSettings) -> Int {
        guard settings.url.host.hasPrefix("127.") else { return 0 }
        return settings.scenario == .connect ? 8 : settings.connections / 10_000
    }

    private static func number(
        _ options: CommandLineOptions, _ option: String, _ range: ClosedRange<Int>
    ) throws(CommandLineOptions.Wrong) -> Int? {
        guard let text = options.value(option) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw CommandLineOptions.Wrong(
                message: "\(option) needs a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `500ms`, `5s`, `20m`.
    private static func duration(
        _ options: CommandLineOptions, _ option: String
    ) throws(CommandLineOptions.Wrong) -> Duration? {
        guard let text = options.value(option) else { return nil }
        for (unit, milliseconds) in [("ms", Int64(1)), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        where text.hasSuffix(unit) {
            if let number = Int64(text.dropLast(unit.utf8.count)), (0...86_400_000).contains(number) {
                return .milliseconds(number * milliseconds)
            }
        }
        throw CommandLineOptions.Wrong(message: "\(option) needs a time: 500ms, 5s, 20m")
    }

    private static func word<Word: RawRepresentable<String> & CaseIterable>(
        _ options: CommandLineOptions, _ option: String
    ) throws(CommandLineOptions.Wrong) -> Word? {
        guard let text = options.value(option) else { return nil }
        guard let word = Word(rawValue: text) else {
            let known = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandLineOptions.Wrong(message: "\(option) needs one of \(known)")
        }
        return word
    }
}
