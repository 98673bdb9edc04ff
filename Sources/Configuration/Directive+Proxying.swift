// The directive table: the PROXY protocol, on both sides.

import Wire

extension Directive {
    static let listenProxyDirectives = [proxyAccept, timeoutProxyProtocol]
    static let backendProxyDirectives = [proxySend, checkProxyProtocol]

    static let proxyAccept = Directive(
        "proxy-protocol", in: .listen, .optional,
        .sequence([
            "accept", "from", .several("NETWORK", .prefix, until: ["require", "optional"]),
            .options([
                .init("require", nil, "a connection from elsewhere is refused (the default)"),
                .init("optional", nil, "a connection from elsewhere is taken as the client's own"),
            ]),
        ]),
        "Every connection from these networks begins with a PROXY header, version 1 or 2, that says who the client is.",
        reload: .newSessions, foreign: ["accept-proxy"],
        apply: { configuration, arguments in
            var acceptance = Configuration.ProxyAcceptance(networks: arguments.prefixes("NETWORK"))
            acceptance.isOptional = arguments.has("optional")
            configuration.listeners.newest.proxyAcceptance = acceptance
        },
        show: { configuration, index in
            configuration.listeners[index].proxyAcceptance.map { acceptance in
                [
                    "accept from " + acceptance.networks.map(\.description).joined(separator: " ")
                        + (acceptance.isOptional ? " optional" : " require")
                ]
            } ?? []
        })

    static let timeoutProxyProtocol = Directive(
        "timeout proxy-protocol", in: .listen, .optional,
        .value("DURATION", .duration(.milliseconds(100) ... .seconds(60), step: .milliseconds(1))), default: "3s",
        "How long after the accept a whole PROXY header must have arrived, where one is expected.",
        reload: .newSessions, foreign: ["proxy_protocol_timeout"],
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.listeners.newest.proxyTimeout)
        },
        show: { configuration, index in [configuration.listeners[index].proxyTimeout.text] })

    static let proxySend = Directive(
        "proxy-protocol", in: .backend, .optional,
        .either([
            "v1",
            .sequence([
                "v2",
                .options([
                    .init("ssl", nil, "whether the client came over TLS, with which version and certificate"),
                    .init("cn", nil, "the common name of its certificate, and ssl"),
                    .init("cipher", nil, "the cipher suite, and ssl"),
                    .init("authority", nil, "the host name it asked for (SNI)"),
                    .init("alpn", nil, "the application protocol agreed on"),
                    .init("unique-id", nil, "an identifier of the session"),
                    .init("crc32c", nil, "a checksum over the header"),
                ]),
            ]),
        ]),
        "Begins each connection to a server with a PROXY header that says who the client is.",
        reload: .newSessions,
        foreign: ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn", "proxy_protocol"],
        apply: { configuration, arguments in
            var sending = Configuration.ProxySending(version: arguments.has("v1") ? 1 : 2)
            for field in Configuration.ProxySending.Field.allCases where arguments.has(field.rawValue) {
                sending.fields.insert(field)
            }
            configuration.backends.newest.proxySending = sending
        },
        show: { configuration, index in
            guard let sending = configuration.backends[index].proxySending else { return [] }
            let fields = Configuration.ProxySending.Field.allCases.filter(sending.fields.contains).map(\.rawValue)
            return [(["v\(sending.version)"] + fields).joined(separator: " ")]
        })

    static let checkProxyProtocol = Directive(
        "check-proxy-protocol", in: .backend, .optional, .either(["local", "addresses", "none"]), default: "local",
        "The PROXY header of health checks, where servers get one: local is from nobody (LOCAL, or UNKNOWN in version 1), "
            + "addresses is the check's own connection, for servers that refuse local.",
        reload: .inPlace, foreign: ["check-send-proxy"],
        apply: { configuration, arguments in
            for header in Configuration.CheckHeader.allCases where arguments.has(header.rawValue) {
                configuration.backends.newest.checkHeader = header
            }
        },
        show: { configuration, index in [configuration.backends[index].checkHeader.rawValue] })
}
