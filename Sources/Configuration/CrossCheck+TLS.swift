// Cross-checks of TLS: what is missing, what contradicts itself, and what the files turn out to be.

extension CrossCheck {
    /// Whoever names the authority of the clients and nothing else wants it to count.
    mutating func completeTLS() {
        let listeners = configuration.listeners.indices.filter { configuration.listeners[$0].tls != nil }
        for (object, index) in zip(draft.objects(.listenTLS), listeners)
        where draft.first(.clientAuthorities, in: object) != nil && draft.first(.clientCertificate, in: object) == nil {
            configuration.listeners[index].tls?.clientCertificate = .required
        }
    }

    /// Checks every tls block.
    ///
    /// - Parameter judge: knows the files; `nil`: nobody can read them here.
    mutating func checkTLS(_ judge: TLSJudge?) {
        let listeners = configuration.listeners.indices.filter { configuration.listeners[$0].tls != nil }
        for (object, index) in zip(draft.objects(.listenTLS), listeners) {
            checkListenerTLS(object, index)
            guard let judge, !isBroken(object), let tls = configuration.listeners[index].tls else { continue }
            report(judge(.listener(name: configuration.listeners[index].name, tls)), object)
        }
        let backends = configuration.backends.indices.filter { configuration.backends[$0].tls != nil }
        for (object, index) in zip(draft.objects(.backendTLS), backends) {
            checkBackendTLS(object, index)
            guard let judge, !isBroken(object), let tls = configuration.backends[index].tls else { continue }
            report(judge(.backend(name: configuration.backends[index].name, tls)), object)
        }
    }

    /// Whether something in the block was not understood, or has a message already: files would be judged by guess.
    private func isBroken(_ object: Draft.Object) -> Bool {
        draft.isDoubtful(object)
            || Directive.all(in: object.context).contains { directive in
                draft.isWritten(directive, in: object) && draft.first(directive, in: object) == nil
            }
    }

    private mutating func checkListenerTLS(_ object: Draft.Object, _ index: Int) {
        guard let tls = configuration.listeners[index].tls else { return }
        let header = draft.headers[object]
        let mode = draft.first(.clientCertificate, in: object)
        let authorities = draft.first(.clientAuthorities, in: object)
        if tls.certificates.isEmpty, tls.directories.isEmpty, !isBroken(object) {
            error(
                "this tls has no certificate", at: header,
                help: "add: \(Directive.tlsCertificate.usage); \(Directive.tlsKey.usage)")
        }
        let defaults = draft.all(.tlsCertificate, in: object).filter { $0.arguments.has("default") }
        if defaults.count > 1 {
            error(
                "two certificates are the default", at: defaults[1].range, help: "leave default out here",
                notes: [.init("the other one is here", at: defaults[0].range)])
        }
        switch tls.clientCertificate {
        case .none:
            if let mode, let authorities {
                warn(
                    "clients are not asked for the certificates this authority issues", at: authorities.range,
                    help: "write: client-certificate required, or leave client-ca out",
                    notes: [.init("they are not asked because of this", at: mode.range)])
            }
        case .optional, .required:
            if let mode, !draft.isWritten(.clientAuthorities, in: object) {
                error(
                    "nobody vouches for the certificates of the clients", at: mode.range,
                    help: "add: \(Directive.clientAuthorities.usage)")
            }
        case .optionalUnverified: break
        }
        for directive in [Directive.revocations, .verifyDepth] {
            guard let written = draft.first(directive, in: object) else { continue }
            if tls.clientCertificate == .none || tls.clientCertificate == .optionalUnverified {
                warn(
                    "\(directive.name) has no effect: no certificate of a client is verified", at: written.range,
                    help: "add: \(Directive.clientAuthorities.usage)")
            }
        }
        checkVersions(object, .tlsMinimum, .tlsMaximum, tls.minimumVersion, tls.maximumVersion, .tlsCiphers)
        checkResumption(object, tls)
    }

    private mutating func checkResumption(_ object: Draft.Object, _ tls: Configuration.ListenerTLS) {
        guard !tls.tickets, tls.sessionCache == 0,
            let timeout = draft.first(.sessionTimeout, in: object)
        else { return }
        warn(
            "no session is ever resumed: there are neither tickets nor a session cache", at: timeout.range,
            help: "leave session-timeout out, or one of the two in")
    }

    private mutating func checkVersions(
        _ object: Draft.Object, _ minimum: Directive, _ maximum: Directive, _ least: Configuration.TLSVersion,
        _ most: Configuration.TLSVersion, _ ciphers: Directive
    ) {
        if least > most {
            let places = [draft.first(maximum, in: object)?.range, draft.first(minimum, in: object)?.range]
            let known = places.compactMap { $0 }
            error(
                "no version of TLS lies between \(least.rawValue) and \(most.rawValue)", at: known.first,
                help: "the minimum is at most the maximum",
                notes: known.dropFirst().map { .init("the minimum is here", at: $0) })
        } else if least < .v1_2, let written = draft.first(minimum, in: object) {
            if draft.isWritten(ciphers, in: object) {
                warn(
                    "TLS below 1.2 is broken (RFC 8996)", at: written.range,
                    help: "let only devices in that know no better, on a listener of their own")
            } else {
                error(
                    "none of the default ciphers works with TLS \(least.rawValue)", at: written.range,
                    help: "add, for example: ciphers HIGH:!aNULL:!MD5")
            }
        }
    }

    private mutating func checkBackendTLS(_ object: Draft.Object, _ index: Int) {
        guard let tls = configuration.backends[index].tls else { return }
        if let key = draft.first(.serverKey, in: object), !draft.isWritten(.serverCertificate, in: object) {
            error(
                "a key without a certificate", at: key.range, help: "add: \(Directive.serverCertificate.usage)")
        }
        if !tls.verifies, let authorities = draft.first(.serverAuthorities, in: object),
            let verify = draft.first(.serverVerify, in: object)
        {
            warn(
                "ca has no effect: no server is verified", at: authorities.range, help: "leave it or verify none out",
                notes: [.init("verification is switched off here", at: verify.range)])
        } else if let verify = draft.first(.serverVerify, in: object), !tls.verifies {
            warn(
                "whoever can redirect these connections can read them: no server is verified", at: verify.range,
                help: "write: verify required; ca FILE")
        }
        checkVersions(object, .serverMinimum, .serverMaximum, tls.minimumVersion, tls.maximumVersion, .serverCiphers)
    }

    /// Findings at the places of their directives; at the block where nothing was written.
    private mutating func report(_ findings: [TLSFinding], _ object: Draft.Object) {
        for finding in findings {
            let directive = Directive.all(in: object.context).first { $0.name == finding.directive }
            let written = directive.map { draft.all($0, in: object) } ?? []
            let occurrence = written.indices.contains(finding.occurrence) ? written[finding.occurrence] : nil
            let range =
                occurrence.flatMap { $0.arguments.items.first?.range } ?? occurrence?.range ?? draft.headers[object]
            switch finding.severity {
            case .error: error(finding.message, at: range, help: finding.help)
            case .warning: warn(finding.message, at: range, help: finding.help)
            }
        }
    }
}
