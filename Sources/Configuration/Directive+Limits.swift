// The directive table: limits of a listener on rates, sources and clients, and how they refuse.

import Wire

extension Directive {
    /// Directives of `listen` that stand in this file.
    static let limitDirectives = [
        limitSourceConnections, sourcePrefix, limitConnectRate, limitSourceRate, limitClientRate, limitFlapping,
        limitTracked, timeoutFirstByte, refuse,
    ]

    static let limitSourceConnections = Directive(
        "limit source-connections", in: .listen, .optional, .value("N", .integer(1...10_000_000)),
        "The most connections of one source address at one time; see source-prefix.",
        reload: .newSessions, foreign: ["limit_conn_zone", "stick-table conn_cur"],
        apply: { configuration, arguments in
            configuration.listeners.newest.admission.sourceConnections = arguments.integer("N")
        },
        show: { configuration, index in
            configuration.listeners[index].admission.sourceConnections.map { [String($0)] } ?? []
        })

    static let sourcePrefix = Directive(
        "source-prefix", in: .listen, .optional, .value("N", .integer(16...128)), default: "64",
        "IPv6 addresses with so many leading bits in common are one source for its limits; IPv4 addresses are each their own.",
        reload: .newSessions,
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.listeners.newest.admission.sourcePrefix)
        },
        show: { configuration, index in [String(configuration.listeners[index].admission.sourcePrefix)] })

    static let limitConnectRate = rate(
        "limit connect-rate", \.connectRate,
        "The most new connections of this listener in a second.", foreign: ["maxconnrate", "rate-limit sessions"])

    static let limitSourceRate = rate(
        "limit source-rate", \.sourceRate,
        "The most new connections of one source address in a second.", foreign: ["stick-table conn_rate"])

    static let limitClientRate = rate(
        "limit client-rate", \.clientRate,
        "The most CONNECTs of one client ID in a second.")

    private static let rates = 1...1_000_000

    private static func rate(
        _ name: String,
        _ path: any WritableKeyPath<Configuration.AdmissionSettings, Configuration.Rate?> & Sendable,
        _ meaning: String, foreign: [String] = []
    ) -> Directive {
        Directive(
            name, in: .listen, .optional,
            .sequence([
                .value("N/s", .rate(rates)),
                .options([
                    .init("burst", ("N", .integer(rates)), "how many may come at once; as many as N/s when not written")
                ]),
            ]),
            meaning, reload: .newSessions, foreign: foreign,
            apply: { configuration, arguments in
                guard let perSecond = arguments.integer("N/s") else { return }
                configuration.listeners.newest.admission[keyPath: path] = Configuration.Rate(
                    perSecond: perSecond, burst: arguments.integer("burst") ?? perSecond)
            },
            show: { configuration, index in
                configuration.listeners[index].admission[keyPath: path].map { [$0.text] } ?? []
            })
    }

    static let limitFlapping = Directive(
        "limit flapping", in: .listen, .optional,
        .sequence([
            .value("N", .integer(1...100_000)),
            .options([
                .init(
                    "per", ("DURATION", .duration(.seconds(1) ... .seconds(86_400), step: .milliseconds(1))),
                    default: "1m", "the time in which the connects of a client ID are counted"),
                .init(
                    "delay", ("DURATION", .duration(.milliseconds(10) ... .seconds(300), step: .milliseconds(1))),
                    default: "5s", "how long each CONNECT beyond N waits before it goes on"),
            ]),
        ]),
        "Slows down a client ID that connects more than N times in a while.",
        reload: .newSessions, foreign: ["flapping_detect"],
        apply: { configuration, arguments in
            guard let reconnects = arguments.integer("N") else { return }
            var flapping = Configuration.Flapping(reconnects: reconnects)
            assign(arguments.duration("per"), to: &flapping.window)
            assign(arguments.duration("delay"), to: &flapping.delay)
            configuration.listeners.newest.admission.flapping = flapping
        },
        show: { configuration, index in
            configuration.listeners[index].admission.flapping.map {
                ["\($0.reconnects) per \($0.window.text) delay \($0.delay.text)"]
            } ?? []
        })

    static let limitTracked = Directive(
        "limit tracked", in: .listen, .optional, .value("COUNT", .count(64...4_194_304)), default: "64K",
        "The most source addresses, and the most client IDs, whose rates are remembered; the least recent is forgotten first.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.integer("COUNT"), to: &configuration.listeners.newest.admission.tracked)
        },
        show: { configuration, index in [CountText.text(configuration.listeners[index].admission.tracked)] })

    static let timeoutFirstByte = Directive(
        "timeout first-byte", in: .listen, .optional,
        .either([
            "connect", .value("DURATION", .duration(.milliseconds(100) ... .seconds(300), step: .milliseconds(1))),
        ]), default: "connect",
        "How long after the accept a client's first byte must have arrived; connect is the time the whole CONNECT has.",
        reload: .newSessions,
        apply: { configuration, arguments in
            configuration.listeners.newest.admission.firstByteDeadline = arguments.duration("DURATION")
        },
        show: { configuration, index in
            [configuration.listeners[index].admission.firstByteDeadline?.text ?? "connect"]
        })

    static let refuse = Directive(
        "refuse", in: .listen, .optional, .either(["connack", .word("silent", foreign: ["silent-drop", "reset"])]),
        default: "connack",
        "How limits and access rules refuse: with the CONNACK that says why, in the client's version, or by closing.",
        reload: .newSessions, foreign: ["limit_conn_status"],
        apply: { configuration, arguments in
            configuration.listeners.newest.admission.refusesSilently = arguments.has("silent")
        },
        show: { configuration, index in
            [configuration.listeners[index].admission.refusesSilently ? "silent" : "connack"]
        })
}

extension Configuration.Rate {
    /// As it is written: `2000/s burst 500`.
    var text: String { "\(perSecond)/s" + (burst == perSecond ? "" : " burst \(burst)") }
}
