// Cross-checks of limits, access rules and the log.

import Wire

extension CrossCheck {
    mutating func checkAdmission() {
        for object in draft.objects(.listen) {
            checkAccess(object)
            let settings = configuration.listeners[object.index].admission
            if let written = draft.first(.timeoutFirstByte, in: object), let wait = settings.firstByteDeadline,
                wait >= configuration.listeners[object.index].connectDeadline
            {
                let whole = configuration.listeners[object.index].connectDeadline.text
                warn(
                    "the first byte is never waited for as long: the whole CONNECT has \(whole)", at: written.range,
                    help: "lower it, or raise timeout connect")
            }
            if let written = draft.first(.limitSourceConnections, in: object), let most = settings.sourceConnections,
                most >= configuration.listeners[object.index].maximumSessions
            {
                warn(
                    "no source reaches \(most): the listener ends at "
                        + "\(configuration.listeners[object.index].maximumSessions)", at: written.range,
                    help: "lower it, or raise limit connections")
            }
        }
    }

    private mutating func checkAccess(_ object: Draft.Object) {
        let rules = configuration.listeners[object.index].admission.access
        let places = draft.all(.access, in: object)
        guard rules.count == places.count else { return }
        if let all = rules.firstIndex(where: { $0.subject == .all }) {
            for place in places[(all + 1)...] {
                error(
                    "this rule is never reached", at: place.range, help: "write it above the rule for all",
                    notes: [.init("this one matches everybody", at: places[all].range)])
            }
        }
        if let first = places.first, !rules.contains(where: { $0.action == .deny }) {
            warn(
                "these rules keep nobody out: whom none names is let in", at: first.range,
                help: "add behind them: access deny all")
        }
    }

    /// Looks at what the targets say.
    mutating func checkLog() {
        let object = Draft.Object(context: .log, index: 0)
        let places = draft.all(.logTarget, in: object)
        for (index, place) in places.enumerated() {
            let target = configuration.log.targets[index]
            if let other = configuration.log.targets[..<index].firstIndex(where: {
                $0.destination == target.destination
            }) {
                error(
                    "records go there already", at: place.range, help: "write each target once",
                    notes: [.init("the first one is here", at: places[other].range)])
            }
            switch target.destination {
            case .syslog(let address):
                if let reason = address.address.unusable {
                    error("\(address) \(reason)", at: place.arguments.range("ADDRESS:PORT"))
                }
            case .localSyslog: break
            case .journal, .standardError:
                for option in ["facility", "format"] {
                    guard let range = place.arguments.range(option) else { continue }
                    error("\(option) belongs to syslog", at: range, help: "leave it out, or write: to syslog ADDRESS:PORT")
                }
            }
        }
        if configuration.log.sessions != .off, !configuration.log.targets.isEmpty || configuration.log.level < .info,
            let written = draft.first(.logSessions, in: object),
            configuration.log.targets.allSatisfy({ ($0.level ?? configuration.log.level) < .info })
        {
            warn(
                "sessions are written at level info, which no target takes", at: written.range,
                help: "write: level info")
        }
    }
}
