// The daemon's status on one screen: who is active and why, what is served, and what needs a look.

import Wire

/// Renders the answer to `status` for somebody who was just woken up. `--full` and `--json` tell everything.
struct StatusSummary {
    private let status: JSON
    private(set) var text = ""

    init(_ status: JSON) {
        self.status = status
        head()
        for router in status["vip"]?["routers"]?.array ?? [] { tell(router) }
        peer()
        backends()
        tables()
        certificates()
        attention()
    }

    private mutating func line(_ line: String) { text += line + "\n" }

    private func word(_ name: String, of object: JSON?) -> String {
        TextTable.text(name, object?[name] ?? .null)
    }

    // MARK: Parts

    private mutating func head() {
        let name = status["node"]?.string.map { "\($0), " } ?? ""
        let listeners = status["balancer"]?["listeners"]?.array ?? []
        let binds = listeners.flatMap { $0["binds"]?.array ?? [] }.compactMap(\.string)
        line("\(name)understudy \(word("version", of: status)), up \(word("uptime_ms", of: status))")
        if status["stopping"]?.bool == true { line("It is stopping.") }
        if status["reloading"]?.bool == true { line("A reload is being prepared.") }
        guard let balancer = status["balancer"], balancer.members != nil else {
            line("The balancer does not answer.")
            return
        }
        let serves = balancer["serving"]?.bool == true ? "serves" : "DOES NOT SERVE"
        line("balancer   \(serves) \(word("sessions", of: balancer)) sessions on \(binds.joined(separator: ", "))")
    }

    private mutating func tell(_ router: JSON) {
        let addresses = (router["addresses"]?.array ?? []).compactMap { $0["address"]?.string }
        let state = (router["state"]?.string ?? "-").uppercased()
        line(
            "address    \(addresses.joined(separator: ", ")) on \(word("interface", of: router)): this host is \(state)"
                + ", priority \(word("priority", of: router)); \(word("why", of: router))")
    }

    private mutating func peer() {
        guard let peer = status["balancer"]?["peer"], peer.members != nil else { return }
        let facts = peer["peer_facts"]
        guard peer["linked"]?.bool == true else {
            let error = peer["last_error"]?["text"]?.string.map { ": \($0)" } ?? ""
            line("peer       \(word("peer", of: peer)) NOT LINKED\(error)")
            return
        }
        let synchronised = peer["synchronised"]?.bool == true ? "in sync" : "NOT IN SYNC"
        line(
            "peer       \(word("peer", of: peer)) linked, \(synchronised), "
                + "\(word("entries", of: peer["lag"])) updates behind, \(word("router", of: facts)), "
                + (facts?["ready"]?.bool == true ? "ready" : "not ready"))
    }

    private mutating func backends() {
        let rows = (status["balancer"]?["backends"]?.array ?? []).flatMap { backend in
            (backend["servers"]?.array ?? []).map { server in
                JSON.object(
                    [JSON.Member("backend", backend["name"] ?? .null)]
                        + ["name", "address", "status", "since_ms", "sessions", "weight", "because"].map {
                            JSON.Member($0 == "name" ? "server" : $0, server[$0] ?? .null)
                        })
            }
        }
        guard !rows.isEmpty else { return }
        line("")
        text += TextTable(rows).text
    }

    private mutating func tables() {
        let rows = (status["balancer"]?["tables"]?.array ?? []).map { table in
            JSON.object(
                [JSON.Member("table", table["name"] ?? .null)]
                    + ["entries", "size", "connected", "held_by_peer", "evicted", "refused"].map {
                        JSON.Member($0, table[$0] ?? .null)
                    })
        }
        guard !rows.isEmpty else { return }
        line("")
        text += TextTable(rows).text
    }

    /// What is not as it should be, or has been.
    /// The certificate of each block that ends first, and what is wrong with the files on the disk.
    private mutating func certificates() {
        var first: [(block: String, certificate: JSON)] = []
        for certificate in status["certificates"]?.array ?? [] {
            let block = certificate["block"]?.string ?? "-"
            if let index = first.firstIndex(where: { $0.block == block }) {
                let known = first[index].certificate["days_left"]?.integer ?? 0
                if certificate["days_left"]?.integer ?? 0 < known { first[index].certificate = certificate }
            } else {
                first.append((block, certificate))
            }
        }
        for (block, certificate) in first {
            line("tls        \(block): \(word("file", of: certificate)) is \(StatusText.rest(of: certificate))")
        }
        if let problem = status["certificate_problem"]?.string {
            line("tls        NEW CERTIFICATES ARE NOT TAKEN: \(problem)")
        }
    }

    private mutating func attention() {
        var notes: [String] = []
        if let supervisor = status["supervisor"], let deaths = supervisor["deaths"]?.integer, deaths > 0 {
            notes.append("supervisor was followed \(deaths) times, last after \(word("last_ending", of: supervisor))")
        }
        for process in status["processes"]?.array ?? [] {
            if process["crash_loop"]?.bool == true { notes.append("\(word("role", of: process)) is in a crash loop") }
            if let restarts = process["restarts"]?.integer, restarts > 0 {
                notes.append(
                    "\(word("role", of: process)) was restarted \(restarts) times, last after \(word("last_ending", of: process))"
                )
            }
        }
        for router in status["vip"]?["routers"]?.array ?? [] {
            note(router["refusals"], "adverts refused", into: &notes)
            for name in ["claim_failures", "send_failures", "addresses_lost", "stalls"] {
                if let count = router["counters"]?[name]?.integer, count > 0 {
                    notes.append("\(TextTable.title(name)) \(count)")
                }
            }
        }
        let counters = status["balancer"]?["counters"]
        succession(counters, into: &notes)
        note(counters?["refusals"], "clients refused", into: &notes)
        if let count = counters?["ends"]?["no-server"]?.integer, count > 0 {
            notes.append("clients that found no server: \(count)")
        }
        for (name, what) in [
            ("connect-deadline", "clients that sent no CONNECT in time"),
            ("first-byte-deadline", "clients that sent nothing in time"),
        ] {
            if let count = counters?["ends"]?[name]?.integer, count > 0 { notes.append("\(what): \(count)") }
        }
        for (name, what) in [
            ("access-denied", "clients kept out by access rules"),
            ("session-records-lost", "records about sessions lost"),
        ] {
            if let count = counters?[name]?.integer, count > 0 { notes.append("\(what): \(count)") }
        }
        for limit in counters?.members ?? [] where limit.name.hasPrefix("limit-") {
            if let count = limit.value.integer, count > 0 { notes.append("\(TextTable.title(limit.name)) \(count)") }
        }
        note(status["balancer"]?["peer"]?["refusals"], "pair link refused", into: &notes)
        let losses = [status, status["balancer"] ?? .null].flatMap { object in
            ["log_records_lost", "log_records_undelivered"].compactMap { object[$0]?.integer }
        }
        let lost = losses.reduce(0, +)
        if lost > 0 { notes.append("log records lost: \(lost)") }
        guard !notes.isEmpty else { return }
        line("")
        line("since the start:")
        for note in notes { line("  " + note) }
    }

    /// What became of the sessions of balancers that died.
    private func succession(_ counters: JSON?, into notes: inout [String]) {
        guard let deaths = status["balancer"]?["deaths"]?.integer, deaths > 0 else { return }
        var parts = ["\(counters?["inherited"]?.integer ?? 0) live on"]
        for (name, what) in [
            ("inherited-opaque", "could not be kept (TLS)"), ("sessions-closing", "of them are still to be closed"),
            ("inherited-beginning", "had no CONNACK yet"), ("inherited-homeless", "had no place in the configuration"),
            ("inherited-broken", "made no sense"), ("inherited-poison", "killed it twice"),
        ] {
            if let count = counters?[name]?.integer, count > 0 { parts.append("\(count) \(what)") }
        }
        notes.append("\(deaths) balancers died; of the last one's sessions \(parts.joined(separator: ", "))")
        if let poisoned = status["balancer"]?["poisoned_clients"]?.integer, poisoned > 0 {
            notes.append("clients that are refused because balancers died of them: \(poisoned)")
        }
    }

    private func note(_ counts: JSON?, _ what: String, into notes: inout [String]) {
        let words = (counts?.members ?? []).compactMap { member in
            member.value.integer.flatMap { $0 > 0 ? "\(member.name) \($0)" : nil }
        }
        if !words.isEmpty { notes.append("\(what): \(words.joined(separator: ", "))") }
    }
}
