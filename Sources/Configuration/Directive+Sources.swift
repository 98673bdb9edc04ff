// The directive table: the addresses that connections to servers come from.

import Wire

extension Directive {
    static let source = Directive(
        "source", in: .backend, .repeatable(required: false),
        .sequence([
            .either([.word("*"), .value("ADDRESS", .address)]),
            .options([
                .init(
                    "share", ("PERCENT", .percent),
                    "its part of the clients, always the same ones by a hash of their address and port"),
                .init("node", ("NODE", .name), "the host that has this address; else both have"),
            ]),
        ]),
        "An address that connections to the servers come from; * is the one the kernel chooses. Several are used in turn, "
            + "or by share; each has about 28,000 ports to one server.",
        reload: .newSessions, foreign: ["proxy_bind", "usesrc"],
        apply: { configuration, arguments in
            configuration.backends.newest.sources.append(
                .init(
                    address: arguments.address("ADDRESS"), share: arguments.integer("share"),
                    node: arguments.text("node")))
        },
        show: { configuration, index in
            configuration.backends[index].sources.map { source in
                (source.address.map { "\($0)" } ?? "*")
                    + (source.share.map { " share \(PercentText.text($0))" } ?? "")
                    + (source.node.map { " node \($0)" } ?? "")
            }
        })
}
