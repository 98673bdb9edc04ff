// The directive table: admin and log.

extension Directive {
    static let adminDirectives = [adminSocket, adminGroup]

    static let adminSocket = Directive(
        // 107: sockaddr_un.sun_path without its end mark.
        "socket", in: .admin, .optional, .value("PATH", .path(maximum: 107)), default: "/run/understudy/admin.sock",
        "The Unix socket of the daemon.",
        reload: .restart, foreign: ["stats socket"],
        apply: { configuration, arguments in
            assign(arguments.text("PATH"), to: &configuration.admin.socketPath)
        },
        show: { configuration, _ in [written(configuration.admin.socketPath)] })

    static let adminGroup = Directive(
        "group", in: .admin, .optional, .value("GROUP", .account),
        "Members of this group may use the socket; without it only root may.",
        reload: .restart,
        apply: { configuration, arguments in configuration.admin.group = arguments.text("GROUP") },
        show: { configuration, _ in configuration.admin.group.map { [written($0)] } ?? [] })

    static let logDirectives = [logTarget, logLevel]

    static let logTarget = Directive(
        "to", in: .log, .optional, .either(["journal", "stderr"]), default: "stderr",
        "Where log records go: the systemd journal with their fields, or lines on standard error.",
        reload: .inPlace,
        apply: { configuration, arguments in
            configuration.log.target = arguments.has("journal") ? .journal : .standardError
        },
        show: { configuration, _ in [configuration.log.target == .journal ? "journal" : "stderr"] })

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
}
