// Cross-checks of PROXY headers, rewritten CONNECTs, and listeners that only pass bytes.

import Wire

extension CrossCheck {
    mutating func checkProxying() {
        for object in draft.objects(.listen) {
            let listener = configuration.listeners[object.index]
            guard let accept = draft.first(.proxyAccept, in: object) else {
                if let timeout = draft.first(.timeoutProxyProtocol, in: object), !draft.isDoubtful(object),
                    !draft.isWritten(.proxyAccept, in: object)
                {
                    warn(
                        "this listener expects no PROXY header to wait for", at: timeout.range,
                        help: "add: \(Directive.proxyAccept.usage)")
                }
                continue
            }
            if let all = listener.proxyAcceptance?.networks.first(where: { $0.length == 0 }) {
                warn(
                    "everybody in \(all) may claim to be any client", at: accept.range,
                    help: "write the addresses of the proxies in front of this host")
            }
            if accept.arguments.has("require"), accept.arguments.has("optional") {
                error(
                    "a header from elsewhere is either required or not", at: accept.range,
                    help: "write require or optional")
            }
        }
        for object in draft.objects(.backend) {
            guard let check = draft.first(.checkProxyProtocol, in: object), !draft.isDoubtful(object),
                !draft.isWritten(.proxySend, in: object)
            else { continue }
            warn(
                "the servers of this backend get no PROXY header, nor do their checks", at: check.range,
                help: "add: \(Directive.proxySend.usage)")
        }
    }

    mutating func checkRewriting() {
        for object in draft.objects(.listen) {
            let listener = configuration.listeners[object.index]
            for directive in Directive.rewriteDirectives {
                guard let written = draft.first(directive, in: object) else { continue }
                if listener.protocol.isOpaque {
                    error(
                        "a listener of protocol \(listener.protocol.rawValue) reads no CONNECT to rewrite",
                        at: written.range, help: "write: protocol mqtt, or leave \(directive.name) out",
                        notes: draft.first(.protocol, in: object).map { [.init("the protocol is here", at: $0.range)] }
                            ?? [])
                } else if let source = Configuration.IdentitySource.allCases.first(where: {
                    $0.needsCertificate && written.arguments.has($0.rawValue)
                }), listener.proxyAcceptance == nil, !draft.isDoubtful(object),
                    !draft.isWritten(.proxyAccept, in: object), !asksForCertificates(listener)
                {
                    error(
                        "no client of this listener shows a certificate, so none has a \(source.rawValue)",
                        at: written.range, help: "add to its tls: \(Directive.clientCertificate.usage)")
                }
            }
        }
    }

    /// Whether clients show certificates that are verified.
    private func asksForCertificates(_ listener: Configuration.ListenerSettings) -> Bool {
        switch listener.tls?.clientCertificate {
        case .required, .optional: true
        case nil, .some(.none), .optionalUnverified: false
        }
    }

    mutating func checkOpaque() {
        guard !hasErrors else { return }
        for object in draft.objects(.listen) {
            let listener = configuration.listeners[object.index]
            guard listener.protocol.isOpaque else { continue }
            for directive in [Directive.limitConnectSize, .timeoutConnectPacket] {
                guard let written = draft.first(directive, in: object) else { continue }
                warn(
                    "\(directive.name) means nothing to a listener of protocol \(listener.protocol.rawValue)",
                    at: written.range, help: "leave it out: no CONNECT is read here")
            }
        }
        for object in draft.objects(.backend) { checkOpaqueClients(of: object) }
    }

    /// A backend none of whose clients has a client ID.
    private mutating func checkOpaqueClients(of object: Draft.Object) {
        let backend = configuration.backends[object.index]
        let listeners = configuration.listeners.filter { listener in
            listener.backend == backend.name || listener.routes.contains { $0.backend == backend.name }
        }
        guard let opaque = listeners.first, listeners.allSatisfy(\.protocol.isOpaque) else { return }
        let reason = "clients of the listener \(opaque.name), protocol \(opaque.protocol.rawValue), have no client ID"
        if let stick = draft.first(.stick, in: object) {
            error(reason, at: stick.range, help: "leave stick out, and write: balance source")
        }
        if case .hashClientID = backend.algorithm, let balance = draft.first(.balance, in: object) {
            error(reason, at: balance.range, help: "write: balance source")
        }
        guard !hasErrors, backend.check.kind == .mqtt else { return }
        if let check = draft.first(.check, in: object) {
            guard opaque.protocol == .http else { return }
            warn("servers of an HTTP listener are asked in MQTT", at: check.range, help: "write: check tcp")
        } else {
            warn(
                "the servers of this backend are asked in MQTT, as nothing else is written", at: draft.headers[object],
                help: "add: check tcp, for what the listener \(opaque.name) passes is not read")
        }
    }
}
