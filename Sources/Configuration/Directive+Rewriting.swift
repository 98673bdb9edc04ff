// The directive table: what servers see in a CONNECT in place of the device's own words.

import Wire

extension Directive {
    static let rewriteDirectives = [rewriteClientID, rewriteUsername, rewritePassword]

    static let rewriteClientID = rewrite(
        "client-id", isRemovable: false,
        "The client ID that servers and the stick table see; a client that lacks the source is refused.",
        foreign: ["mqtt_set_connect", "mqtt_set_connect clientid"], \.clientID)

    static let rewriteUsername = rewrite(
        "username", isRemovable: true,
        "The username that servers see; a client that lacks the source is refused.",
        foreign: ["mqtt_set_connect username"], \.username)

    static let rewritePassword = rewrite(
        "password", isRemovable: true,
        "The password that servers see; a client that lacks the source is refused.",
        foreign: ["mqtt_set_connect password"], \.password)

    /// Longest name of a key file, in bytes.
    private static let longestPath = 4095

    private static func rewrite(
        _ field: String, isRemovable: Bool, _ meaning: String, foreign: [String],
        _ path: any WritableKeyPath<Configuration.Rewriting, Configuration.Replacement?> & Sendable
    ) -> Directive {
        let sources = Configuration.IdentitySource.allCases.map { Syntax.word($0.rawValue, foreign: $0.foreign) }
        let from = Syntax.sequence([
            "from", .either(sources),
            .options([
                .init(
                    "hashed", ("KEYFILE", .path(maximum: longestPath)),
                    "its keyed hash instead of itself; understudy keygen writes the key")
            ]),
        ])
        return Directive(
            "rewrite \(field)", in: .listen, .optional, isRemovable ? .either(["remove", from]) : from, meaning,
            reload: .newSessions, foreign: foreign,
            apply: { configuration, arguments in
                let source = Configuration.IdentitySource.allCases.first { arguments.has($0.rawValue) }
                configuration.listeners.newest.rewriting[keyPath: path] =
                    source.map { .from($0, keyFile: arguments.text("hashed")) } ?? .remove
            },
            show: { configuration, index in
                switch configuration.listeners[index].rewriting[keyPath: path] {
                case nil: []
                case .remove: ["remove"]
                case .from(let source, let file):
                    ["from \(source.rawValue)" + (file.map { " hashed \(written($0))" } ?? "")]
                }
            })
    }
}

extension Configuration.IdentitySource {
    /// NGINX's variable for it.
    fileprivate var foreign: [String] {
        switch self {
        case .clientID: ["$mqtt_preread_clientid"]
        case .username: ["$mqtt_preread_username"]
        case .certificateSerial: ["$ssl_client_serial"]
        case .certificateName: ["$ssl_client_s_dn"]
        case .certificateCommonName, .certificateAlternativeName: []
        case .certificateFingerprint: ["$ssl_client_fingerprint"]
        case .serverName: ["$ssl_server_name", "$ssl_preread_server_name"]
        case .sourceAddress: ["$remote_addr"]
        }
    }
}
