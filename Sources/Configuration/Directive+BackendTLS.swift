// The directive table: tls, in a backend towards servers.

import Wire

extension Directive {
    static let backendTLSDirectives = [
        serverVerify, serverAuthorities, serverName, serverCertificate, serverKey, serverMinimum, serverMaximum,
        serverCiphers, serverSuites, serverGroups, serverRecords,
    ]

    /// The newest backend's TLS settings while its block is read.
    private static func change(_ configuration: inout Configuration, _ body: (inout Configuration.BackendTLS) -> Void) {
        var tls = configuration.backends.newest.tls ?? .init()
        body(&tls)
        configuration.backends.newest.tls = tls
    }

    /// The n-th backend with TLS: what the n-th block says.
    private static func settings(_ configuration: Configuration, _ index: Int) -> Configuration.BackendTLS {
        configuration.encryptedBackends[index].tls ?? .init()
    }

    static let backendTLS = Directive(
        "tls", in: .backend, .optional, .nothing, opens: .backendTLS,
        "Sessions with the servers are encrypted.",
        reload: .newSessions, foreign: ["proxy_ssl"],
        apply: { configuration, _ in configuration.backends.newest.tls = .init() },
        show: { configuration, index in configuration.backends[index].tls == nil ? [] : [""] })

    static let serverVerify = Directive(
        "verify", in: .backendTLS, .optional,
        .either([.word("required", foreign: ["on"]), .word("none", foreign: ["off"])]), default: "required",
        "Whether a server must show a certificate that its authority vouches for, and that bears its name.",
        reload: .newSessions, foreign: ["proxy_ssl_verify"],
        apply: { configuration, arguments in change(&configuration) { $0.verifies = !arguments.has("none") } },
        show: { configuration, index in [settings(configuration, index).verifies ? "required" : "none"] })

    static let serverAuthorities = Directive(
        "ca", in: .backendTLS, .optional, .either([.word("system"), .value("FILE", tlsPath)]), default: "system",
        "Who vouches for the servers' certificates: the roots this host trusts, or those of a PEM file.",
        reload: .newSessions, foreign: ["proxy_ssl_trusted_certificate"],
        apply: { configuration, arguments in
            change(&configuration) { $0.authorities = arguments.text("FILE").map { .file($0) } ?? .system }
        },
        show: { configuration, index in
            switch settings(configuration, index).authorities {
            case .system: ["system"]
            case .file(let path): [written(path)]
            }
        })

    static let serverName = Directive(
        "server-name", in: .backendTLS, .optional, .value("NAME", .word("a DNS name")),
        "The name servers are asked for (SNI) and must have in their certificate; without it, their address.",
        reload: .newSessions, foreign: ["sni", "verifyhost", "proxy_ssl_name", "proxy_ssl_server_name"],
        apply: { configuration, arguments in change(&configuration) { $0.serverName = arguments.text("NAME") } },
        show: { configuration, index in settings(configuration, index).serverName.map { [written($0)] } ?? [] })

    static let serverCertificate = Directive(
        "certificate", in: .backendTLS, .optional, .value("FILE", tlsPath),
        "A PEM file with our own certificate for servers that want one, with the key or without.",
        reload: .newSessions, foreign: ["proxy_ssl_certificate"],
        apply: { configuration, arguments in change(&configuration) { $0.certificate = arguments.text("FILE") } },
        show: { configuration, index in settings(configuration, index).certificate.map { [written($0)] } ?? [] })

    static let serverKey = Directive(
        "key", in: .backendTLS, .optional, .value("FILE", tlsPath),
        "A PEM file with the private key of our own certificate.",
        reload: .newSessions, foreign: ["proxy_ssl_certificate_key"],
        apply: { configuration, arguments in change(&configuration) { $0.key = arguments.text("FILE") } },
        show: { configuration, index in settings(configuration, index).key.map { [written($0)] } ?? [] })

    static let serverMinimum = Directive(
        "minimum-version", in: .backendTLS, .optional, versionWords, default: "1.2",
        "The oldest version of TLS that is spoken with servers.",
        reload: .newSessions, foreign: ["proxy_ssl_protocols"],
        apply: { configuration, arguments in
            change(&configuration) { assign(versionWritten(arguments), to: &$0.minimumVersion) }
        },
        show: { configuration, index in [settings(configuration, index).minimumVersion.rawValue] })

    static let serverMaximum = Directive(
        "maximum-version", in: .backendTLS, .optional, versionWords, default: "1.3",
        "The newest version of TLS that is spoken with servers.",
        reload: .newSessions,
        apply: { configuration, arguments in
            change(&configuration) { assign(versionWritten(arguments), to: &$0.maximumVersion) }
        },
        show: { configuration, index in [settings(configuration, index).maximumVersion.rawValue] })

    static let serverCiphers = Directive(
        "ciphers", in: .backendTLS, .optional,
        .value("LIST", .word("a cipher list as openssl-ciphers(1) describes it")), default: TLSDefaults.ciphers,
        "The ciphers of TLS 1.2 and below that servers are offered.",
        reload: .newSessions, foreign: ["proxy_ssl_ciphers", "ssl-default-server-ciphers"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.text("LIST"), to: &$0.ciphers) }
        },
        show: { configuration, index in [written(settings(configuration, index).ciphers)] })

    static let serverSuites = Directive(
        "suites", in: .backendTLS, .optional, .value("LIST", .word("names separated by colons")),
        default: TLSDefaults.suites,
        "The cipher suites of TLS 1.3 that servers are offered.",
        reload: .newSessions, foreign: ["ssl-default-server-ciphersuites"],
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.text("LIST"), to: &$0.suites) }
        },
        show: { configuration, index in [written(settings(configuration, index).suites)] })

    static let serverGroups = Directive(
        "groups", in: .backendTLS, .optional, .value("LIST", .word("names separated by colons")),
        default: TLSDefaults.groups,
        "The groups of the key exchange that servers are offered, the preferred first.",
        reload: .newSessions,
        apply: { configuration, arguments in
            change(&configuration) { assign(arguments.text("LIST"), to: &$0.groups) }
        },
        show: { configuration, index in [written(settings(configuration, index).groups)] })
}
