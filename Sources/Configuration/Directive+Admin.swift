// The directive table: admin.

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
}
