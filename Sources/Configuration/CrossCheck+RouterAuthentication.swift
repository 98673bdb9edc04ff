// Cross-checks of the authentication of advertisements.

import Wire

extension CrossCheck {
    mutating func checkAuthentication(_ object: Draft.Object) {
        let router = configuration.routers[object.index]
        guard isUnderstood(.authentication, in: object) else { return }
        let written = draft.first(.authentication, in: object)
        let note = written.map { Diagnostic.Note("the authentication is set here", at: $0.range) }
        if case .password = router.authentication.kind, router.version == 3, isUnderstood(.version, in: object) {
            error(
                "VRRP version 3 has no password", at: written?.range,
                help: "write: authentication hmac, or version 2 for a router that wants one")
        }
        if router.authentication.kind == .hmac {
            checkKeys(object)
        } else {
            for directive in [Directive.authenticationMode, .antiReplay, .clockWindow, .hmacKey, .activeKey] {
                if let occurrence = draft.first(directive, in: object) {
                    error(
                        "\(directive.name) means nothing without the HMAC", at: occurrence.range,
                        help: "leave it out, or write: authentication hmac", notes: [note])
                }
            }
        }
        if let window = draft.first(.clockWindow, in: object), router.authentication.kind == .hmac,
            router.authentication.antiReplay == .monotonic, isUnderstood(.antiReplay, in: object)
        {
            error(
                "clock-window means nothing without anti-replay time", at: window.range,
                help: "leave it out, or write: anti-replay time")
        }
    }

    private mutating func checkKeys(_ object: Draft.Object) {
        let router = configuration.routers[object.index]
        var first: [Int: SourceRange] = [:]
        for occurrence in draft.all(.hmacKey, in: object) {
            guard let id = occurrence.arguments.integer("N"), let range = occurrence.arguments.range("N") else {
                continue
            }
            if let other = first[id] {
                error(
                    "a second key has the number \(id)", at: range, notes: [.init("the first one is here", at: other)])
            }
            first[id] = first[id] ?? range
        }
        guard isUnderstood(.hmacKey, in: object) else { return }
        if let active = draft.first(.activeKey, in: object), let id = active.arguments.integer("N"), first[id] == nil {
            let numbers = first.keys.sorted().map(String.init).joined(separator: ", ")
            error(
                "no hmac-key has the number \(id)", at: active.range,
                help: first.isEmpty ? "add: \(Directive.hmacKey.usage)" : "there is: \(numbers)")
        }
        guard first.isEmpty, !draft.isDoubtful(object) else { return }
        if let peer = draft.first(.routerPeer, in: object), !draft.isWritten(.authentication, in: object) {
            error(
                "how are adverts to and from this peer authenticated?", at: peer.range,
                help: "write: authentication none (keepalived before 2.4.2 takes nothing else with version 3); or: "
                    + Directive.hmacKey.usage)
        } else if configuration.pair == nil, !draft.isDoubtful(.top),
            router.transport == .multicast || !router.peers.isEmpty
        {
            error(
                "there is no key: without a pair there is no secret to derive one from",
                at: draft.first(.authentication, in: object)?.range ?? draft.headers[object],
                help: "write: authentication none; or add: \(Directive.hmacKey.usage)")
        }
    }
}
