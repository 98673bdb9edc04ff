// Limits, access rules and the log, in the words of `understudy check`.

import Wire

extension Explanation {
    /// Whom a listener lets in besides the number of its sessions; no line for what is not limited.
    func admission(_ settings: Configuration.AdmissionSettings) -> [String] {
        var lines: [String] = []
        if let wait = settings.firstByteDeadline {
            lines.append("  A client that says nothing at all is closed after \(wait.text).")
        }
        if let most = settings.sourceConnections { lines.append("  At most \(most) of them from one source.") }
        if let rate = settings.connectRate { lines.append("  At most \(rate.words) new connections a second.") }
        if let rate = settings.sourceRate {
            lines.append("  At most \(rate.words) new connections a second from one source.")
        }
        if settings.sourceConnections != nil || settings.sourceRate != nil {
            lines.append("  A source is an IPv4 address, or an IPv6 network /\(settings.sourcePrefix).")
        }
        if let rate = settings.clientRate { lines.append("  At most \(rate.words) CONNECTs a second of one client ID.") }
        if let flapping = settings.flapping {
            lines.append(
                "  A client ID that connects more than \(flapping.reconnects) times in \(flapping.window.text) waits "
                    + "\(flapping.delay.text) each time.")
        }
        for rule in settings.access {
            let verb = rule.action == .allow ? "let in" : "kept out"
            switch rule.subject {
            case .all: lines.append("  Everybody else is \(verb).")
            case .network(let network): lines.append("  Clients of \(network) are \(verb).")
            case .file(let path, let networks):
                lines.append("  Clients of the \(networks.count) networks in \(path) are \(verb).")
            }
        }
        if settings.refusesSilently { lines.append("  Whoever a limit or a rule refuses is told nothing.") }
        return lines
    }

    /// What is written about each session.
    var sessionLog: [String] {
        let log = configuration.log
        let empty = log.logsEmptySessions ? "" : " that sent a byte"
        switch log.sessions {
        case .off: return []
        case .end: return ["  Each session\(empty) is written down when it ends (\(log.sessionFormat.rawValue))."]
        case .both:
            return ["  Each session\(empty) is written down at its CONNACK and when it ends (\(log.sessionFormat.rawValue))."]
        }
    }
}

extension Configuration.Rate {
    /// `2000` or `2000 (500 at once)`.
    fileprivate var words: String { burst == perSecond ? "\(perSecond)" : "\(perSecond) (\(burst) at once)" }
}

extension Configuration.LogSettings {
    /// `standard error`, `the journal and syslog at 10.0.0.5:514`.
    var targetsText: String {
        targets.map { target in
            let place =
                switch target.destination {
                case .standardError: "standard error"
                case .journal: "the journal"
                case .syslog(let address): "syslog at \(address)"
                case .localSyslog: "this host's syslog"
                }
            return place + (target.level.map { " (from level \($0))" } ?? "")
        }.joined(separator: " and ")
    }
}
