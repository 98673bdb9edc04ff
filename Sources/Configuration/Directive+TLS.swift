// The directive table: tls, in a listener towards clients.

import Wire

extension Directive {
    static let listenTLSDirectives = [
        tlsCertificate, tlsCertificates, tlsKey, clientAuthorities, clientCertificate, verifyDepth, revocations,
        tlsMinimum, tlsMaximum, tlsCiphers, tlsSuites, tlsGroups, alpn, unknownServerName, sessionTimeout, tickets,
        sessionCache, timeoutHandshake, clientRecords,
    ]

    /// The newest listener's TLS settings while its block is read.
    private static func change(
        _ configuration: inout Configuration, _ body: (inout Configuration.ListenerTLS) -> Void
    ) {
        var tls = configuration.listeners.newest.tls ?? .init()
        body(&tls)
        configuration.listeners.newest.tls = tls
    }

    /// The n-th listener with TLS: what the n-th block says.
    private static func settings(_ configuration: Configuration, _ index: Int) -> Configuration.ListenerTLS {
        configuration.encryptedListeners[index].tls ?? .init()
    }

    /// A path of the file system.
    static let tlsPath = ValueKind.path(maximum: 4095)

    static let listenTLS = Directive(
        "tls", in: .listen, .optional, .nothing, opens: .listenTLS,
        "TLS ends here: the listener's certificates, and what is asked of clients.",
        reload: .newSessions, foreign: ["ssl", "ssl_preread"],
        apply: { configuration, _ in configuration.listeners.newest.tls = .init() },
        show: { configuration, index in configuration.listeners[index].tls == nil ? [] : [""] })

    static let tlsCertificate = Directive(
        "certificate", in: .listenTLS, .repeatable(required: false),
        .sequence([
            .value("FILE", tlsPath),
            .options([.init("default", nil, "for clients that ask for no name, or for an unknown one")]),
        ]),
        "A PEM file with a certificate and its chain, with the key or without; clients choose among several by name.",
        reload: .newSessions, foreign: ["crt", "ssl_certificate", "default-crt"],
        apply: { configuration, arguments in
            guard let path = arguments.text("FILE") else { return }
            change(&configuration) { $0.certificates.append(.init(path: path, isDefault: arguments.has("default"))) }
        },
        show: { configuration, index in
            settings(configuration, index).certificates.map { written($0.path) + ($0.isDefault ? " default" : "") }
        })

    static let tlsCertificates = Directive(
        "certificates", in: .listenTLS, .repeatable(required: false), .value("DIRECTORY", tlsPath),
        "A directory of certificates (.pem, .crt) and keys (.pem, .key); clients choose among them by name.",
        reload: .newSessions, foreign: ["crt-base"],
        apply: { configuration, arguments in
            guard let path = arguments.text("DIRECTORY") else { return }
            change(&configuration) { $0.directories.append(path) }
        },
        show: { configuration, index in settings(configuration, index).directories.map { written($0) } })

    static let tlsKey = Directive(
        "key", in: .listenTLS, .repeatable(required: false), .value("FILE", tlsPath),
        "A PEM file with the private key of one of the certificates; which one is seen from the key.",
        reload: .newSessions, foreign: ["ssl_certificate_key"],
        apply: { configuration, arguments in
            guard let path = arguments.text("FILE") else { return }
            change(&configuration) { $0.keys.append(path) }
        },
        show: { configuration, index in settings(configuration, index).keys.map { written($0) } })

    static let clientAuthorities = Directive(
        "client-ca", in: .listenTLS, .optional, .value("FILE", tlsPath),
        "A PEM file with the authorities that issue the clients' certificates; alone it means that one is required.",
        reload: .newSessions, foreign: ["ca-file", "ssl_client_certificate", "ca-verify-file"],
        apply: { configuration, arguments in
            change(&configuration) { $0.clientAuthorities = arguments.text("FILE") }
        },
        show: { configuration, index in
            settings(configuration, index).clientAuthorities.map { [written($0)] } ?? []
        })

    static let clientCertificate = Directive(
        "client-certificate", in: .listenTLS, .optional,
        .either([
            .word("required", foreign: ["on"]), .word("optional"),
            .word("optional-unverified", foreign: ["optional_no_ca"]), .word("none", foreign: ["off"]),
        ]), default: "none",
        "Whether clients show a certificate of their own, and whether a bad one keeps them out.",
        reload: .newSessions, foreign: ["ssl_verify_client"],
        apply: { configuration, arguments in
            let mode = Configuration.ClientCertificate.allCases.first { arguments.has($0.rawValue) }
            change(&configuration) { assign(mode, to: &$0.clientCertificate) }
        },
        show: { configuration, index in [settings(configuration, index).clientCertificate.rawValue] })

    static let verifyDepth = Directive(
        "verify-depth", in: .listenTLS, .optional, .value("N", .integer(0...20)), default: "3",
        "The most intermediate certificates between a client's certificate and its authority.",
        reload: .newSessions, foreign: ["ssl_verify_depth"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.integer("N"), to: &$0.verifyDepth) }
        },
        show: { configuration, index in [String(settings(configuration, index).verifyDepth)] })

    static let revocations = Directive(
        "crl", in: .listenTLS, .optional, .value("FILE", tlsPath),
        "A PEM file with the authorities' revocation lists, one of each authority; a revoked certificate is refused.",
        reload: .newSessions, foreign: ["crl-file", "ssl_crl"],
        apply: { configuration, arguments in change(&configuration) { $0.revocations = arguments.text("FILE") } },
        show: { configuration, index in settings(configuration, index).revocations.map { [written($0)] } ?? [] })

    static let tlsMinimum = Directive(
        "minimum-version", in: .listenTLS, .optional, versionWords, default: "1.2",
        "The oldest version of TLS that is spoken; below 1.2 nothing is safe.",
        reload: .newSessions, foreign: ["ssl-min-ver", "ssl_protocols"],
        apply: { configuration, arguments in
            change(&configuration) { assign(versionWritten(arguments), to: &$0.minimumVersion) }
        },
        show: { configuration, index in [settings(configuration, index).minimumVersion.rawValue] })

    static let tlsMaximum = Directive(
        "maximum-version", in: .listenTLS, .optional, versionWords, default: "1.3",
        "The newest version of TLS that is spoken.",
        reload: .newSessions, foreign: ["ssl-max-ver"],
        apply: { configuration, arguments in
            change(&configuration) { assign(versionWritten(arguments), to: &$0.maximumVersion) }
        },
        show: { configuration, index in [settings(configuration, index).maximumVersion.rawValue] })

    static let tlsCiphers = Directive(
        "ciphers", in: .listenTLS, .optional, .value("LIST", .word("a cipher list as openssl-ciphers(1) describes it")),
        default: TLSDefaults.ciphers,
        "The ciphers of TLS 1.2 and below.",
        reload: .newSessions, foreign: ["ssl_ciphers", "ssl-default-bind-ciphers"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.text("LIST"), to: &$0.ciphers) }
        },
        show: { configuration, index in [written(settings(configuration, index).ciphers)] })

    static let tlsSuites = Directive(
        "suites", in: .listenTLS, .optional, .value("LIST", .word("names separated by colons")),
        default: TLSDefaults.suites,
        "The cipher suites of TLS 1.3.",
        reload: .newSessions, foreign: ["ciphersuites", "ssl-default-bind-ciphersuites"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.text("LIST"), to: &$0.suites) }
        },
        show: { configuration, index in [written(settings(configuration, index).suites)] })

    static let tlsGroups = Directive(
        "groups", in: .listenTLS, .optional, .value("LIST", .word("names separated by colons")),
        default: TLSDefaults.groups,
        "The groups of the key exchange, the preferred first.",
        reload: .newSessions, foreign: ["curves", "ecdhe", "ssl_ecdh_curve"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.text("LIST"), to: &$0.groups) }
        },
        show: { configuration, index in [written(settings(configuration, index).groups)] })

    static let unknownServerName = Directive(
        "unknown-name", in: .listenTLS, .optional,
        .either([.word("default"), .word("refuse", foreign: ["strict-sni", "ssl_reject_handshake"])]),
        default: "default",
        "What a client gets that asks for a name no certificate has: the default certificate, or an alert.",
        reload: .newSessions, foreign: ["strict-sni", "ssl_reject_handshake"],
        apply: { configuration, arguments in
            change(&configuration) { $0.unknownServerName = arguments.has("refuse") ? .refuse : .useDefault }
        },
        show: { configuration, index in [settings(configuration, index).unknownServerName.rawValue] })
}

// MARK: What both sides share

extension Directive {
    /// `1.2`.
    static let versionWords = Syntax.either([
        .word("1.2", foreign: ["tlsv1.2"]), .word("1.3", foreign: ["tlsv1.3"]), .word("1.1", foreign: ["tlsv1.1"]),
        .word("1.0", foreign: ["tlsv1.0", "tlsv1"]),
    ])

    static func versionWritten(_ arguments: Arguments) -> Configuration.TLSVersion? {
        Configuration.TLSVersion.allCases.first { arguments.has($0.rawValue) }
    }
}

// MARK: Names, resumption, deadline

extension Directive {
    static let alpn = Directive(
        "alpn", in: .listenTLS, .optional,
        .either([.word("auto"), .word("off"), .value("NAMES", .word("names separated by commas, the preferred first"))]
        ),
        default: "auto",
        "The application protocols that are agreed on (ALPN); auto is mqtt, over WebSocket http/1.1.",
        reload: .newSessions, foreign: ["npn", "no-alpn"],
        apply: { configuration, arguments in
            change(&configuration) { tls in
                if arguments.has("off") {
                    tls.applicationProtocols = .off
                } else if let names = arguments.text("NAMES") {
                    tls.applicationProtocols = .names(names.split(separator: ",").map { String($0) })
                } else {
                    tls.applicationProtocols = .automatic
                }
            }
        },
        show: { configuration, index in
            switch settings(configuration, index).applicationProtocols {
            case .automatic: ["auto"]
            case .off: ["off"]
            case .names(let names): [written(names.joined(separator: ","))]
            }
        })

    static let sessionTimeout = Directive(
        "session-timeout", in: .listenTLS, .optional,
        .value("DURATION", .duration(.seconds(1) ... .seconds(7 * 86_400), step: .seconds(1))), default: "1d",
        "How long after its full handshake a session may be resumed.",
        reload: .newSessions, foreign: ["ssl_session_timeout", "tune.ssl.lifetime"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.duration("DURATION"), to: &$0.sessionTimeout) }
        },
        show: { configuration, index in [settings(configuration, index).sessionTimeout.text] })

    static let tickets = Directive(
        "tickets", in: .listenTLS, .optional, .either(["on", "off"]), default: "on",
        "Whether clients keep their session in a ticket, with which they resume it on either host of the pair.",
        reload: .newSessions, foreign: ["ssl_session_tickets", "tls-tickets", "no-tls-tickets", "tls-ticket-keys"],
        apply: { configuration, arguments in change(&configuration) { $0.tickets = !arguments.has("off") } },
        show: { configuration, index in [settings(configuration, index).tickets ? "on" : "off"] })

    static let sessionCache = Directive(
        "session-cache", in: .listenTLS, .optional, .value("N", .count(0...1_048_576)), default: "4K",
        "The most sessions that are remembered for clients without tickets, by all event loops together; 0: none.",
        reload: .newSessions, foreign: ["ssl_session_cache", "tune.ssl.cachesize"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.integer("N"), to: &$0.sessionCache) }
        },
        show: { configuration, index in [CountText.text(settings(configuration, index).sessionCache)] })

    static let timeoutHandshake = Directive(
        "timeout handshake", in: .listenTLS, .optional,
        .value("DURATION", .duration(.milliseconds(100) ... .seconds(300), step: .milliseconds(1))), default: "15s",
        "How long after the accept the TLS handshake must be done.",
        reload: .newSessions, foreign: ["ssl_handshake_timeout"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.duration("DURATION"), to: &$0.handshakeTimeout) }
        },
        show: { configuration, index in [settings(configuration, index).handshakeTimeout.text] })
}
