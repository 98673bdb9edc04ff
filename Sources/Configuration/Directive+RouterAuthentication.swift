// The directive table: how advertisements are authenticated.

import Wire

extension Directive {
    private typealias Authentication = Configuration.VirtualRouterSettings.Authentication

    /// The directives of `vrrp` that say which advertisements are believed.
    static let routerAuthenticationDirectives = [
        authentication, authenticationMode, antiReplay, clockWindow, hmacKey, activeKey,
    ]

    static let authentication = Directive(
        "authentication", in: .vrrp, .optional,
        .either(["hmac", "none", .sequence(["password", .value("WORD", .octets(1...8))])]), default: "hmac",
        "What makes an advert believed: an HMAC with a key of the pair secret, nothing, or a word in clear (version 2).",
        reload: .inPlace, foreign: ["auth_hmac", "auth_type", "auth_pass"],
        apply: { configuration, arguments in
            let kind: Authentication.Kind =
                if let word = arguments.text("WORD") { .password(word) } else if arguments.has("none") { .none } else {
                    .hmac
                }
            configuration.routers.newest.authentication.kind = kind
        },
        show: { configuration, index in
            switch configuration.routers[index].authentication.kind {
            case .none: ["none"]
            case .password(let word): ["password \(Secret.mark(word))"]
            case .hmac: ["hmac"]
            }
        })

    static let authenticationMode = Directive(
        "authentication-mode", in: .vrrp, .optional,
        .either(Authentication.Mode.allCases.map { .word($0.rawValue) }), default: "enforce",
        "How far the HMAC is introduced: demanded; sent but not demanded; or only understood.",
        reload: .inPlace,
        apply: { configuration, arguments in
            let written = Authentication.Mode.allCases.first { arguments.has($0.rawValue) }
            assign(written, to: &configuration.routers.newest.authentication.mode)
        },
        show: { configuration, index in
            let authentication = configuration.routers[index].authentication
            return authentication.kind == .hmac ? [authentication.mode.rawValue] : []
        })

    static let antiReplay = Directive(
        "anti-replay", in: .vrrp, .optional,
        .either(Authentication.AntiReplay.allCases.map { .word($0.rawValue) }), default: "monotonic",
        "What tells a fresh advert from a recorded one: a number that only grows, or the hosts' clocks.",
        reload: .inPlace, foreign: ["anti_replay"],
        apply: { configuration, arguments in
            let written = Authentication.AntiReplay.allCases.first { arguments.has($0.rawValue) }
            assign(written, to: &configuration.routers.newest.authentication.antiReplay)
        },
        show: { configuration, index in
            let authentication = configuration.routers[index].authentication
            return authentication.kind == .hmac ? [authentication.antiReplay.rawValue] : []
        })

    static let clockWindow = Directive(
        "clock-window", in: .vrrp, .optional,
        .value("DURATION", .duration(.seconds(1) ... .seconds(3600), step: .seconds(1))),
        "With anti-replay time: how far the clocks may differ; without it three intervals, 5s at least.",
        reload: .inPlace, foreign: ["time_window"],
        apply: { configuration, arguments in
            configuration.routers.newest.authentication.window = arguments.duration("DURATION")
        },
        show: { configuration, index in
            configuration.routers[index].authentication.window.map { [$0.text] } ?? []
        })

    static let hmacKey = Directive(
        "hmac-key", in: .vrrp, .repeatable(required: false),
        .sequence([.value("N", .integer(0...255)), .value("FILE", .path(maximum: 4095))]),
        "A key shared with routers of other programs, by its number: a file with 32 to 64 bytes in hexadecimal.",
        reload: .inPlace,
        apply: { configuration, arguments in
            guard let id = arguments.integer("N"), let path = arguments.text("FILE") else { return }
            configuration.routers.newest.authentication.keys.append(.init(id: UInt8(clamping: id), path: path))
        },
        show: { configuration, index in
            configuration.routers[index].authentication.keys.map { "\($0.id) \(written($0.path))" }
        })

    static let activeKey = Directive(
        "active-key", in: .vrrp, .optional, .value("N", .integer(0...255)),
        "The number of the hmac-key that adverts are sent with; without it the first.",
        reload: .inPlace, foreign: ["active_key"],
        apply: { configuration, arguments in
            configuration.routers.newest.authentication.activeKey = arguments.integer("N").map { UInt8(clamping: $0) }
        },
        show: { configuration, index in
            configuration.routers[index].authentication.activeKey.map { [String($0)] } ?? []
        })
}
