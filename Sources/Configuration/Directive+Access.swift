// The directive table: access lists by network.

import Wire

extension Directive {
    static let access = Directive(
        "access", in: .listen, .repeatable(required: false),
        .sequence([
            .either([.word("allow", foreign: ["accept", "permit"]), .word("deny", foreign: ["reject", "drop"])]),
            .either([
                "all", .sequence([.word("file", foreign: ["-f"]), .value("FILE", .file)]),
                .value("NETWORK", .prefix),
            ]),
        ]),
        "Lets clients of a network in, or keeps them out: the first rule that matches decides, without one they are let in.",
        reload: .newSessions, foreign: ["allow", "deny", "acl", "tcp-request connection"],
        apply: { configuration, arguments in
            let subject: Configuration.AccessRule.Subject
            if let network = arguments.prefix("NETWORK") {
                subject = .network(network)
            } else if let file = arguments.text("FILE") {
                // What it lists is read when the whole configuration is understood.
                subject = .file(file, [])
            } else {
                subject = .all
            }
            configuration.listeners.newest.admission.access.append(
                Configuration.AccessRule(arguments.has("deny") ? .deny : .allow, subject))
        },
        show: { configuration, index in configuration.listeners[index].admission.access.map(\.text) })
}

extension Configuration.AccessRule {
    /// As it is written: `deny 10.0.0.0/8`, `deny file blocked.txt`.
    var text: String {
        switch subject {
        case .all: "\(action.rawValue) all"
        case .network(let network): "\(action.rawValue) \(network)"
        case .file(let path, _): "\(action.rawValue) file \(written(path))"
        }
    }
}
