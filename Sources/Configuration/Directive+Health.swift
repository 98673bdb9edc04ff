// The directive table: health checks, and what becomes of the sessions of a server that is down.

import Wire

extension Directive {
    /// How long a check, a connect or an answer may take.
    static let waits = Duration.milliseconds(10)...Duration.seconds(300)

    /// Options of every kind of check.
    static let checkOptions: [Syntax.Option] = [
        .init("every", ("DURATION", .duration(waits, step: .milliseconds(1))), default: "2s", "the interval"),
        .init(
            "fast-interval", ("DURATION", .duration(waits, step: .milliseconds(1))),
            "the interval while the verdict is open; a quarter of the other unless written"),
        .init(
            "timeout", ("DURATION", .duration(waits, step: .milliseconds(1))), default: "1s",
            "how long an answer may take"),
        .init("rise", ("N", .integer(1...100)), default: "2", "good answers that make a server usable"),
        .init("fall", ("N", .integer(1...100)), default: "3", "bad ones that make it unusable"),
        .init("port", ("N", .integer(1...65535)), "where to ask, instead of the server's port"),
        .init("address", ("ADDRESS", .address), "where to ask, instead of the server's address"),
    ]

    private static let encryptedOption = Syntax.Option(
        "tls", nil, "a check of another port or address speaks TLS too; one of the server itself does what sessions do")

    private static let mqttOptions: [Syntax.Option] = [
        .init("version", ("VERSION", .oneOf(["3.1.1", "5"])), default: "3.1.1", "what the CONNECT speaks"),
        .init("client-id", ("TEXT", .text(maximum: 256)), "the client ID; one that names this host unless written"),
        .init("username", ("TEXT", .text(maximum: 256)), "the user name"),
        .init("password", ("TEXT", .text(maximum: 256)), "the password; anybody who reads this file reads it"),
    ]

    private static let httpOptions: [Syntax.Option] = [
        .init("path", ("TEXT", .text(maximum: 1024)), default: "/", "what to GET"),
        .init("host", ("TEXT", .text(maximum: 255)), "the Host field; the server's address unless written"),
        .init("expect", ("STATUS", .integer(100...599)), default: "200", "the status of a good answer"),
        .init("drain", ("STATUS", .integer(100...599)), "the status that means: alive, but no new sessions"),
    ]

    static let check = Directive(
        "check", in: .backend, .optional,
        .either([
            "none",
            .sequence(["mqtt", .options(checkOptions + [encryptedOption] + mqttOptions)]),
            .sequence(["tcp", .options(checkOptions)]),
            .sequence([.word("tls", foreign: ["ssl-hello-chk", "check-ssl"]), .options(checkOptions)]),
            .sequence([.word("http", foreign: ["httpchk"]), .options(checkOptions + [encryptedOption] + httpOptions)]),
            .sequence([.word("agent", foreign: ["agent-check"]), .options(checkOptions)]),
        ]), default: "mqtt every 2s timeout 1s rise 2 fall 3",
        "How servers are asked for their health: mqtt is a real CONNECT, CONNACK, DISCONNECT; tcp is a connection; tls a "
            + "handshake; http a GET; agent a line such as \"up 50% ready\" from a program at its port. A mqtt or http check "
            + "of a backend with tls speaks TLS, an mqtt check of a server with websocket a WebSocket.",
        reload: .inPlace,
        foreign: ["health_check", "option tcp-check", "tcp-check", "default-server", "option httpchk", "agent-check", "option ssl-hello-chk", "check-ssl"],
        apply: { configuration, arguments in configuration.backends.newest.check = check(arguments) },
        show: { configuration, index in [shown(configuration.backends[index].check)] })

    private static func check(_ arguments: Arguments) -> Configuration.CheckSettings {
        var check = Configuration.CheckSettings()
        check.kind = Configuration.CheckSettings.Kind.allCases.first { arguments.has($0.rawValue) } ?? .mqtt
        assign(arguments.duration("every"), to: &check.interval)
        check.fastInterval = arguments.duration("fast-interval")
        assign(arguments.duration("timeout"), to: &check.timeout)
        assign(arguments.integer("rise"), to: &check.rise)
        assign(arguments.integer("fall"), to: &check.fall)
        check.port = arguments.integer("port").map { UInt16(clamping: $0) }
        check.address = arguments.address("address")
        check.isEncrypted = check.kind != .tls && arguments.has("tls")
        check.isVersion5 = arguments.text("version") == "5"
        check.clientID = arguments.text("client-id")
        check.username = arguments.text("username")
        check.password = arguments.text("password")
        assign(arguments.text("path"), to: &check.path)
        check.httpHost = arguments.text("host")
        assign(arguments.integer("expect"), to: &check.expectedStatus)
        check.drainStatus = arguments.integer("drain")
        return check
    }

    private static func shown(_ check: Configuration.CheckSettings) -> String {
        if check.kind == .none { return "none" }
        var words = ["\(check.kind.rawValue) every \(check.interval.text)"]
        if let fast = check.fastInterval { words.append("fast-interval \(fast.text)") }
        words.append("timeout \(check.timeout.text) rise \(check.rise) fall \(check.fall)")
        if let port = check.port { words.append("port \(port)") }
        if let address = check.address { words.append("address \(address)") }
        if check.isEncrypted { words.append("tls") }
        switch check.kind {
        case .mqtt:
            if check.isVersion5 { words.append("version 5") }
            for (keyword, text) in [
                ("client-id", check.clientID), ("username", check.username),
            ] {
                if let text { words.append("\(keyword) \(written(text))") }
            }
            if let password = check.password { words.append("password \(Secret.mark(password))") }
        case .http:
            words.append("path \(written(check.path))")
            if let host = check.httpHost { words.append("host \(written(host))") }
            words.append("expect \(check.expectedStatus)")
            if let status = check.drainStatus { words.append("drain \(status)") }
        case .none, .tcp, .tls, .agent: break
        }
        return words.joined(separator: " ")
    }

    static let onDown = Directive(
        "on-down", in: .backend, .optional,
        .either([
            .sequence([
                .word("close", foreign: ["shutdown-sessions"]),
                .options([
                    .init(
                        "spread",
                        ("DURATION", .duration(.milliseconds(1) ... .seconds(3600), step: .milliseconds(1))),
                        "the time over which they are closed; 2000 a second unless written")
                ]),
            ]),
            "keep",
        ]), default: "close",
        "What becomes of the sessions of a server that goes down: closed, so that their clients find another server now "
            + "and not at their next ping, or kept.",
        reload: .inPlace, foreign: ["on-marked-down"],
        apply: { configuration, arguments in
            configuration.backends.newest.onDown =
                arguments.has("keep") ? .keep : .close(spread: arguments.duration("spread"))
        },
        show: { configuration, index in
            switch configuration.backends[index].onDown {
            case .keep: ["keep"]
            case .close(let spread): ["close" + (spread.map { " spread \($0.text)" } ?? "")]
            }
        })
}
