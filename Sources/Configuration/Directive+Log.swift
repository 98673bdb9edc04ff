// The directive table: log.

import Wire

extension Directive {
    static let logDirectives = [logTarget, logLevel, logSessions, logSessionFormat, logEmpty]

    private static let levels = Configuration.LogSettings.Level.allCases.map { "\($0)" }
    private static let facilities = Configuration.LogSettings.Facility.allCases.map { "\($0)" }
    private static let formats = Configuration.LogSettings.SyslogFormat.allCases.map(\.rawValue)

    static let logTarget = Directive(
        "to", in: .log, .repeatable(required: false),
        .sequence([
            .either([
                "journal", .word("stderr", foreign: ["stdout", "console"]),
                .sequence([
                    "syslog", .either([.word("local", foreign: ["/dev/log"]), .value("ADDRESS:PORT", .socket)]),
                ]),
            ]),
            .options([
                .init("facility", ("NAME", .choice(facilities)), default: "daemon", "for syslog: whom the record is from"),
                .init("format", ("NAME", .choice(formats)), default: "rfc3164", "for syslog: how the record looks"),
                .init("level", ("LEVEL", .choice(levels)), "the least important records that go there; those of level when not written"),
            ]),
        ]), default: "stderr",
        "Where log records go: the systemd journal with their fields, lines on standard error, a syslog server by UDP or this host's own.",
        reload: .inPlace, foreign: ["syslog_facility"],
        apply: { configuration, arguments in
            let destination: Configuration.LogSettings.Target.Destination
            if let address = arguments.socket("ADDRESS:PORT") {
                destination = .syslog(address)
            } else if arguments.has("local") {
                destination = .localSyslog
            } else {
                destination = arguments.has("journal") ? .journal : .standardError
            }
            var target = Configuration.LogSettings.Target(destination)
            assign(
                Configuration.LogSettings.Facility.allCases.first { "\($0)" == arguments.text("facility") },
                to: &target.facility)
            assign(
                arguments.text("format").flatMap(Configuration.LogSettings.SyslogFormat.init), to: &target.format)
            target.level = Configuration.LogSettings.Level.allCases.first { "\($0)" == arguments.text("level") }
            configuration.log.targets.append(target)
        },
        show: { configuration, _ in configuration.log.targets.map(\.text) })

    static let logLevel = Directive(
        "level", in: .log, .optional, .either(Configuration.LogSettings.Level.allCases.map { .word("\($0)") }),
        default: "info",
        "The least important records that are still written.",
        reload: .inPlace,
        apply: { configuration, arguments in
            let written = Configuration.LogSettings.Level.allCases.first { arguments.has("\($0)") }
            assign(written, to: &configuration.log.level)
        },
        show: { configuration, _ in ["\(configuration.log.level)"] })

    static let logSessions = Directive(
        "sessions", in: .log, .optional,
        .either([
            "off", "end", .word("both", foreign: ["logasap"]),
        ]), default: "off",
        "Which records are written about each session: none, one at its end, or one at its CONNACK as well.",
        reload: .inPlace, foreign: ["option logasap", "log_format"],
        apply: { configuration, arguments in
            let written = Configuration.LogSettings.Sessions.allCases.first { arguments.has($0.rawValue) }
            assign(written, to: &configuration.log.sessions)
        },
        show: { configuration, _ in [configuration.log.sessions.rawValue] })

    static let logSessionFormat = Directive(
        "session-format", in: .log, .optional, .either(["fields", "tcplog", "json"]), default: "fields",
        "How a session's record looks: a sentence and its fields, a line that begins as HAProxy's tcplog, or a JSON object.",
        reload: .inPlace, foreign: ["option tcplog", "log-format"],
        apply: { configuration, arguments in
            let written = Configuration.LogSettings.SessionFormat.allCases.first { arguments.has($0.rawValue) }
            assign(written, to: &configuration.log.sessionFormat)
        },
        show: { configuration, _ in [configuration.log.sessionFormat.rawValue] })

    static let logEmpty = Directive(
        "empty", in: .log, .optional, .either(["off", "on"]), default: "off",
        "Whether sessions are written down whose client closed without having sent a byte, as probes do.",
        reload: .inPlace, foreign: ["option dontlognull"],
        apply: { configuration, arguments in configuration.log.logsEmptySessions = arguments.has("on") },
        show: { configuration, _ in [configuration.log.logsEmptySessions ? "on" : "off"] })
}

extension Configuration.LogSettings.Target {
    /// As it is written: `syslog 10.0.0.5:514 facility local3`.
    var text: String {
        let standard = Configuration.LogSettings.Target(destination)
        let place =
            switch destination {
            case .standardError: "stderr"
            case .journal: "journal"
            case .syslog(let address): "syslog \(address)"
            case .localSyslog: "syslog local"
            }
        return place + (facility == standard.facility ? "" : " facility \(facility)")
            + (format == standard.format ? "" : " format \(format.rawValue)") + (level.map { " level \($0)" } ?? "")
    }
}
