// The directive table: who reads and writes the records of TLS sessions.

extension Directive {
    private static let choice = Syntax.either([.word("native"), .word("openssl")])

    private static func chosen(_ arguments: Arguments) -> Configuration.RecordLayerChoice {
        arguments.has("openssl") ? .openssl : .native
    }

    static let clientRecords = Directive(
        "records", in: .listenTLS, .optional, choice, default: "native",
        "Who encrypts after the handshake: understudy itself (little memory, outlives the process), or OpenSSL.",
        reload: .newSessions, foreign: [],
        apply: { configuration, arguments in configuration.listeners.newest.tls?.records = chosen(arguments) },
        show: { configuration, index in
            [(configuration.encryptedListeners[index].tls ?? .init()).records.rawValue]
        })

    static let serverRecords = Directive(
        "records", in: .backendTLS, .optional, choice, default: "native",
        "Who encrypts after the handshake with a server: understudy itself, or OpenSSL.",
        reload: .newSessions, foreign: [],
        apply: { configuration, arguments in configuration.backends.newest.tls?.records = chosen(arguments) },
        show: { configuration, index in
            [(configuration.encryptedBackends[index].tls ?? .init()).records.rawValue]
        })
}
