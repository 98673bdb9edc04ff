// The directive table: which backend takes a client.

import Wire

extension Directive {
    /// What a `use` with `when` may look at; exactly one of them.
    static let routeOptions: [Syntax.Option] = [
        .init("sni", ("PATTERN", .text(maximum: 253)), "the name asked for in the TLS handshake; * stands for anything"),
        .init("username", ("PATTERN", .text(maximum: 256)), "the user name of the CONNECT; * stands for anything"),
        .init("client-id", ("PREFIX", .text(maximum: 256)), "the beginning of the client ID"),
        .init(
            "certificate-cn", ("PATTERN", .text(maximum: 256)),
            "the common name of the client's certificate; * stands for anything"),
        .init(
            "percentage", ("PERCENT", .percent),
            "this part of all clients, always the same ones by a hash of their client ID"),
    ]

    static let use = Directive(
        "use", in: .listen, .repeatable(required: true),
        .sequence([
            .value("BACKEND", .reference("backend")),
            .options([.init("when", nil, "only for clients that are so:")] + routeOptions),
        ]),
        "The backend that takes the clients of this listener. With when it takes some of them; the first that fits "
            + "takes the client, and the last has no when.",
        reload: .newSessions, foreign: ["default_backend", "use_backend", "proxy_pass", "split_clients"],
        apply: { configuration, arguments in
            guard let backend = arguments.text("BACKEND") else { return }
            if let condition = condition(arguments) {
                configuration.listeners.newest.routes.append(.init(backend: backend, condition: condition))
            } else {
                configuration.listeners.newest.backend = backend
            }
        },
        show: { configuration, index in
            let listener = configuration.listeners[index]
            return listener.routes.map { "\($0.backend) when \(written($0.condition))" } + [listener.backend]
        })

    private static func condition(_ arguments: Arguments) -> Configuration.RouteSettings.Condition? {
        if let text = arguments.text("sni") { return .sni(text) }
        if let text = arguments.text("username") { return .username(text) }
        if let text = arguments.text("client-id") { return .clientID(text) }
        if let text = arguments.text("certificate-cn") { return .certificateName(text) }
        return arguments.integer("percentage").map { .percentage($0) }
    }
}

/// A condition as it is written behind `when`.
func written(_ condition: Configuration.RouteSettings.Condition) -> String {
    switch condition {
    case .sni(let text): "sni \(written(text))"
    case .username(let text): "username \(written(text))"
    case .clientID(let text): "client-id \(written(text))"
    case .certificateName(let text): "certificate-cn \(written(text))"
    case .percentage(let hundredths): "percentage \(PercentText.text(hundredths))"
    }
}
