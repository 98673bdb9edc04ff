// Generator and test broker against each other, on loopback, for moments.

import Bench
import Linux
import Testing
import Wire

@Suite("A short run", .serialized)
struct LiveTests {
    /// A broker on free ports, for as long as the body runs.
    private static func withBroker(_ body: (_ url: (String) throws -> BenchURL) throws -> Void) throws {
        let directory = "/tmp/understudy-bench-\(ProcessSelf.pid)"
        try FileTree.makeDirectory(directory)
        defer { try? FileTree.remove(directory) }
        let program = try #require(FileTree.program("openssl"))
        let process = try Process(
            .init(
                path: program,
                arguments: [
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", "\(directory)/key.pem", "-out", "\(directory)/certificate.pem", "-subj", "/CN=localhost",
                    "-days", "30",
                ], environment: ["PATH=/usr/bin:/bin"]))
        let limit = Clock.now + .seconds(60)
        while process.reap() == nil, Clock.now < limit { ProcessSelf.pause(.milliseconds(5)) }
        let pem =
            try File.read("\(directory)/certificate.pem", limit: 1 << 16)
            + File.read("\(directory)/key.pem", limit: 1 << 16)
        try FileTree.write("\(directory)/both.pem", pem, mode: 0o600)

        let schemes = ["mqtt", "mqtts", "ws", "wss"]
        var ports: [String: UInt16] = [:]
        for scheme in schemes {
            // A port that was free a moment ago.
            let probe = try Socket.listen(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 1, reusePort: true)
            ports[scheme] = try #require(Socket.localAddress(probe.number)).port
        }
        let chosen = ports
        func url(_ scheme: String) throws -> BenchURL {
            try BenchURL("\(scheme)://127.0.0.1:\(try #require(chosen[scheme]))")
        }
        let broker = try BenchBroker(
            BrokerSettings(urls: try schemes.map(url), certificate: "\(directory)/both.pem", loops: 2))
        defer { broker.stop() }
        try body(url)
    }

    private static func settings(_ scenario: LoadScenario, _ url: BenchURL) -> LoadSettings {
        var settings = LoadSettings(scenario, url)
        settings.connections = 20
        settings.duration = .milliseconds(300)
        settings.warmUp = .milliseconds(20)
        settings.loops = 2
        return settings
    }

    /// One run; again while it measured nothing, because a machine may stand still for as long as that.
    private static func report(_ settings: LoadSettings) throws -> LoadReport {
        for _ in 0..<20 {
            let report = try LoadRun.measure(settings)
            if report.count > 0 || !report.failures.isEmpty || settings.scenario == .hold { return report }
        }
        return try LoadRun.measure(settings)
    }

    @Test("does every scenario, in the clear and through all layers", arguments: [BenchURL.Scheme.mqtt, .wss])
    func everything(scheme: BenchURL.Scheme) throws {
        try Self.withBroker { url in
            for scenario in LoadScenario.allCases {
                for question in scenario == .ping ? LoadQuestion.allCases : [.pingreq] {
                    var settings = Self.settings(scenario, try url(scheme.rawValue))
                    settings.question = question
                    settings.watched = [ProcessSelf.pid]
                    let report = try Self.report(settings)
                    let label = "\(scheme) \(scenario) \(question): \(report.failures)"
                    #expect(report.isComplete, "\(label)")
                    #expect(report.failures.isEmpty && report.lost == 0, "\(label)")
                    #expect(scenario == .hold || report.count > 0, "\(label)")
                    #expect(try JSON(parsing: report.json.text)["scenario"]?.string == scenario.rawValue, "\(label)")
                    #expect(report.text.contains(scenario.rawValue))
                }
            }
        }
    }

    @Test("asks and is answered through one layer", arguments: [BenchURL.Scheme.mqtts, .ws])
    func layers(scheme: BenchURL.Scheme) throws {
        try Self.withBroker { url in
            let report = try Self.report(Self.settings(.ping, try url(scheme.rawValue)))
            #expect(report.isComplete && report.count > 0 && report.lost == 0, "\(report.failures)")
        }
    }

    @Test("resumes TLS sessions when it is told to", arguments: BenchTLSVersion.allCases)
    func resumption(version: BenchTLSVersion) throws {
        try Self.withBroker { url in
            var settings = Self.settings(.ping, try url("mqtts"))
            settings.tlsVersion = version
            #expect(try LoadRun.measure(settings).resumed == 0)
            settings.resumes = true
            let report = try LoadRun.measure(settings)
            #expect(report.resumed == 19 && report.notResumed == 0)
        }
    }

    @Test("counts what fails, and says so when nobody answers")
    func nobody() throws {
        let probe = try Socket.listen(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 1, reusePort: false)
        let port = try #require(Socket.localAddress(probe.number)).port
        var settings = Self.settings(.ping, try BenchURL("mqtt://127.0.0.2:\(port)"))
        settings.connections = 3
        let report = try LoadRun.measure(settings)
        #expect(!report.isComplete && report.up == 0)
        #expect(!report.failures.isEmpty)
    }
}
