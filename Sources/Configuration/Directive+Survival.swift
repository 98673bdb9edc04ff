// The directive table: sessions and the death of the balancer.

import Wire

extension Directive {
    static let closeSpread = Directive(
        "close-spread", in: .top, .optional,
        .value("DURATION", .duration(.milliseconds(1) ... .seconds(300), step: .milliseconds(1))), default: "2s",
        "Over how long sessions are closed that cannot be kept when the balancer dies, so that their clients do not all come "
            + "back at one time.",
        reload: .inPlace, foreign: ["close-spread-time"],
        apply: { configuration, arguments in assign(arguments.duration("DURATION"), to: &configuration.closeSpread) },
        show: { configuration, _ in [configuration.closeSpread.text] })
}
