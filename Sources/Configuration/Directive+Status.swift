// The directive table: status.

import Wire

extension Directive {
    static let statusDirectives = [statusBind]

    static let status = Directive(
        "status", in: .top, .optional, .nothing, opens: .status,
        "Pages for people and programs that watch the balancer: text, HTML, JSON, CSV, Prometheus.",
        reload: .inPlace, foreign: ["stats", "stub_status", "status_zone", "listen stats"],
        apply: { _, _ in },
        show: { configuration, _ in configuration.statusBinds.isEmpty ? [] : [""] })

    static let statusBind = Directive(
        "bind", in: .status, .repeatable(required: true), .value("ADDRESS:PORT", .socket),
        "An address and port to serve the pages at; whoever reaches it may read them.",
        reload: .inPlace,
        apply: { configuration, arguments in
            if let socket = arguments.socket("ADDRESS:PORT") { configuration.statusBinds.append(socket) }
        },
        show: { configuration, _ in configuration.statusBinds.map { written($0) } })
}
