// Cross-checks of what virtual routers depend on.

import Wire

extension CrossCheck {
    mutating func checkTracking() {
        for object in draft.objects(.vrrp) {
            checkTrackedInterfaces(object)
            checkTwice(.trackServers, "BACKEND", "the servers of ", in: object)
            checkTwice(.trackFile, "FILE", "", in: object)
            checkTwice(.trackScript, "SCRIPT", "the script ", in: object)
            checkMinima(object)
            checkCount(object)
            checkWitness(object)
        }
        checkScripts()
    }

    private mutating func checkTrackedInterfaces(_ object: Draft.Object) {
        let own = draft.first(.interface, in: object)
        for occurrence in draft.all(.trackInterface, in: object) {
            guard let own, let name = occurrence.arguments.text("INTERFACE"),
                let range = occurrence.arguments.range("INTERFACE"), own.arguments.text("NAME") == name
            else { continue }
            error(
                "\(name) is tracked already: it carries the address", at: range, help: "leave it out",
                notes: [.init("its interface is named here", at: own.range)])
        }
        checkTwice(.trackInterface, "INTERFACE", "", in: object)
    }

    private mutating func checkTwice(
        _ directive: Directive, _ placeholder: String, _ kind: String, in object: Draft.Object
    ) {
        var first: [String: SourceRange] = [:]
        for occurrence in draft.all(directive, in: object) {
            guard let name = occurrence.arguments.text(placeholder),
                let range = occurrence.arguments.range(placeholder)
            else { continue }
            if let other = first[name] {
                let verb = kind == "the servers of " ? "are" : "is"
                error(
                    "\(kind)\(name) \(verb) tracked twice", at: range, help: "leave one of them out",
                    notes: [.init("it is tracked here already", at: other)])
            } else {
                first[name] = range
            }
        }
    }

    /// More servers than a backend has can never be usable.
    private mutating func checkMinima(_ object: Draft.Object) {
        for occurrence in draft.all(.trackServers, in: object) {
            guard let name = occurrence.arguments.text("BACKEND"), let backend = configuration.backend(named: name),
                let minimum = occurrence.arguments.integer("at-least"),
                let range = occurrence.arguments.range("at-least"), minimum > backend.servers.count, !hasErrors
            else { continue }
            let count = backend.servers.count
            error(
                "\(name) has \(count) server\(count == 1 ? "" : "s"), and \(minimum) must be usable", at: range,
                help: "write at-least \(count) or less")
        }
    }

    private mutating func checkCount(_ object: Draft.Object) {
        let maximum = Configuration.Tracking.maximumTracks
        let all = [Directive.trackInterface, .trackServers, .trackFile, .trackScript].flatMap {
            draft.all($0, in: object)
        }
        guard all.count > maximum, let last = all.map(\.range).max() else { return }
        error("more than \(maximum) things are tracked", at: last, help: "let one script look at several")
    }

    private mutating func checkWitness(_ object: Draft.Object) {
        guard let witness = configuration.routers[object.index].tracking.witness,
            let range = draft.first(.witness, in: object)?.arguments.range("ADDRESS")
        else { return }
        if let reason = witness.address.unusable {
            error("\(witness.address) \(reason)", at: range, help: "name something that answers, such as the gateway")
        } else if configuration.nodes.contains(where: { $0.address == witness.address })
            || virtualAddresses.contains(where: { $0.value.address == witness.address })
        {
            error(
                "\(witness.address) is an address of this pair", at: range,
                help: "a witness is somebody else, such as the gateway")
        } else if let family = configuration.routers[object.index].addresses.first?.address.family,
            witness.address.family != family
        {
            error(
                "the witness has an \(witness.address.family == .ipv4 ? "IPv4" : "IPv6") address", at: range,
                help: "it must be of the family of the virtual address, whose link it is to witness")
        }
    }

    private mutating func checkScripts() {
        let used = Set(
            configuration.routers.flatMap(\.tracking.tracks).compactMap { track -> String? in
                if case .script(let name) = track.subject { name } else { nil }
            })
        for object in draft.objects(.script) {
            let script = configuration.scripts[object.index]
            let arguments = draft.all(.scriptArgument, in: object)
            if arguments.count > Configuration.ScriptSettings.maximumArguments, let last = arguments.last {
                error(
                    "more than \(Configuration.ScriptSettings.maximumArguments) arguments", at: last.range,
                    help: "write them into a script of your own")
            }
            if !hasErrors, !used.contains(script.name) {
                warn(
                    "no virtual router tracks the script \(script.name): it is not run", at: draft.headers[object],
                    help: "add in vrrp: track script \(script.name)")
            }
        }
    }
}
