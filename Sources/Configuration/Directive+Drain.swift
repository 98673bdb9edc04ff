// The directive table: drain.

import Wire

extension Directive {
    static let drainDirectives = [drainRate, drainDeadline]

    static let drain = Directive(
        "drain", in: .top, .optional, .nothing, opens: .drain,
        "How sessions end when the daemon is stopped.",
        reload: .inPlace, foreign: ["hard-stop-after", "worker_shutdown_timeout"],
        apply: { _, _ in },
        show: { _, _ in [""] })

    static let drainRate = Directive(
        "rate", in: .drain, .optional, .value("RATE", .rate(1...1_000_000)),
        "The most sessions that are ended in a second, before anything else stops; all at once when not written.",
        reload: .inPlace,
        apply: { configuration, arguments in configuration.drain.rate = arguments.integer("RATE") },
        show: { configuration, _ in configuration.drain.rate.map { ["\($0)/s"] } ?? [] })

    static let drainDeadline = Directive(
        "deadline", in: .drain, .optional,
        .value("DURATION", .duration(.milliseconds(200)...Duration.seconds(3600), step: .milliseconds(1))), default: "2s",
        "Sessions that have not ended by then are cut, in the middle of a packet if need be.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.drain.deadline)
        },
        show: { configuration, _ in [configuration.drain.deadline.text] })
}
