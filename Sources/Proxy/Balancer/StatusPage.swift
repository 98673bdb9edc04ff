// What the status pages say: the balancer's status in five forms.

import Wire

/// One of the pages; its text is made of the same JSON that `understudy status --json` shows of the balancer.
enum StatusPage: CaseIterable {
    /// For people, in a browser; it loads itself again.
    case html
    /// As NGINX's stub_status writes it.
    case stub
    case json
    /// Like HAProxy's `show stat`, in its column names.
    case csv
    /// The text format of Prometheus.
    case metrics

    /// The page at a path; `nil`: there is none.
    init?(_ path: String) {
        switch path {
        case "/": self = .html
        case "/status", "/stub_status", "/nginx_status": self = .stub
        case "/status.json": self = .json
        case "/status.csv", "/stats": self = .csv
        case "/metrics": self = .metrics
        default: return nil
        }
    }

    /// The Content-Type.
    var type: String {
        switch self {
        case .html: "text/html; charset=utf-8"
        case .stub, .csv: "text/plain; charset=utf-8"
        case .json: "application/json"
        case .metrics: "text/plain; version=0.0.4; charset=utf-8"
        }
    }

    /// The connections of the pages themselves, the one that asks among them.
    struct Visits {
        /// Connections that are open, and those of them whose request is not whole.
        var open = 0
        var reading = 0
        /// Connections accepted, and requests answered, since the beginning.
        var accepted: UInt64 = 0
        var requests: UInt64 = 0
    }

    func text(_ status: JSON, _ visits: Visits) -> String {
        switch self {
        case .html: Self.html(status)
        case .stub: Self.stub(status, visits)
        case .json: status.text + "\n"
        case .csv: Self.csv(status)
        case .metrics: Self.metrics(status)
        }
    }

    // MARK: Values

    private static func number(_ value: JSON?) -> Int64 { value?.integer ?? 0 }
    private static func counter(_ name: String, _ status: JSON) -> Int64 { number(status["counters"]?[name]) }
    private static func list(_ name: String, _ object: JSON) -> [JSON] { object[name]?.array ?? [] }

    /// Each server with the name of its backend.
    private static func servers(_ status: JSON) -> [(backend: String, server: JSON)] {
        list("backends", status).flatMap { backend in
            list("servers", backend).map { (backend["name"]?.string ?? "", $0) }
        }
    }

    // MARK: Text

    /// As NGINX counts where it passes MQTT on: every connection is accepted and active, and all else is about requests of HTTP,
    /// which are those of these pages.
    private static func stub(_ status: JSON, _ visits: Visits) -> String {
        let accepted = counter("accepted", status) + Int64(visits.accepted)
        return """
            Active connections: \(counter("sessions-open", status) + Int64(visits.open))\u{20}
            server accepts handled requests
             \(accepted) \(accepted - counter("limit-sessions", status)) \(visits.requests)\u{20}
            Reading: \(visits.reading) Writing: \(visits.open - visits.reading) Waiting: 0\u{20}

            """
    }

    private static func csv(_ status: JSON) -> String {
        var lines = ["# pxname,svname,scur,smax,slim,stot,bin,bout,ereq,status,weight,bck,chkfail,lastchg,addr"]
        func field(_ text: String) -> String {
            text.contains(where: { ",\"\n".contains($0) })
                ? "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\"" : text
        }
        for listener in list("listeners", status) {
            let totals = listener["totals"] ?? .null
            let binds = list("binds", listener).compactMap(\.string).joined(separator: " ")
            lines.append(
                [
                    field(listener["name"]?.string ?? ""), "FRONTEND", "\(number(listener["sessions"]))", "", "",
                    "\(number(totals["established"]))", "\(number(totals["bytes_up"]))",
                    "\(number(totals["bytes_down"]))", "\(number(totals["refused"]))",
                    listener["active"]?.bool == true ? "OPEN" : "STOP", "", "", "", "", field(binds),
                ].joined(separator: ","))
        }
        for (backend, server) in servers(status) {
            lines.append(
                [
                    field(backend), field(server["name"]?.string ?? ""), "\(number(server["sessions"]))", "",
                    server["max_sessions"]?.integer.map { "\($0)" } ?? "", "", "", "", "",
                    (server["status"]?.string ?? "").uppercased(), "\(number(server["weight"]))",
                    server["backup"]?.bool == true ? "1" : "0", "", "\(number(server["since_ms"]) / 1000)",
                    field(server["address"]?.string ?? ""),
                ].joined(separator: ","))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func metrics(_ status: JSON) -> String {
        var lines: [String] = []
        func label(_ text: String) -> String {
            var out = ""
            for character in text {
                if character == "\\" || character == "\"" { out += "\\" }
                out += character == "\n" ? "\\n" : String(character)
            }
            return out
        }
        func family(_ name: String, _ kind: String, _ values: [(labels: String, value: Int64)]) {
            guard !values.isEmpty else { return }
            lines.append("# TYPE understudy_\(name) \(kind)")
            lines += values.map { "understudy_\(name)\($0.labels.isEmpty ? "" : "{" + $0.labels + "}") \($0.value)" }
        }
        func word(_ name: String) -> String { String(name.map { $0 == "-" ? "_" : $0 }) }
        family("serving", "gauge", [("", status["serving"]?.bool == true ? 1 : 0)])
        family("sessions", "gauge", [("", number(status["sessions"]))])
        for member in status["counters"]?.members ?? [] {
            if let value = member.value.integer {
                let isGauge = ProxyGauge.allCases.contains { $0.name == member.name }
                family(word(member.name) + (isGauge ? "" : "_total"), isGauge ? "gauge" : "counter", [("", value)])
            } else {
                let values = (member.value.members ?? []).map { ("reason=\"\(label($0.name))\"", number($0.value)) }
                family(word(member.name) + "_total", "counter", values)
            }
        }
        let listeners = list("listeners", status)
        func named(_ listener: JSON) -> String { "listener=\"\(label(listener["name"]?.string ?? ""))\"" }
        family("listener_sessions", "gauge", listeners.map { (named($0), number($0["sessions"])) })
        for kind in ListenerTotals.Kind.allCases {
            family(
                "listener_\(kind.name)_total", "counter", listeners.map { (named($0), number($0["totals"]?[kind.name])) })
        }
        func placed(_ place: (backend: String, server: JSON)) -> String {
            "backend=\"\(label(place.backend))\",server=\"\(label(place.server["name"]?.string ?? ""))\""
        }
        let servers = servers(status)
        family("server_up", "gauge", servers.map { (placed($0), $0.server["status"]?.string == "up" ? 1 : 0) })
        family("server_sessions", "gauge", servers.map { (placed($0), number($0.server["sessions"])) })
        family("server_weight", "gauge", servers.map { (placed($0), number($0.server["weight"])) })
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: HTML

    /// Seconds after which a browser loads the page again.
    static let refresh = 2

    private static func html(_ status: JSON) -> String {
        func safe(_ text: String) -> String {
            var out = ""
            for character in text {
                switch character {
                case "&": out += "&amp;"
                case "<": out += "&lt;"
                case ">": out += "&gt;"
                case "\"": out += "&quot;"
                default: out.append(character)
                }
            }
            return out
        }
        func table(_ title: String, _ columns: [String], _ rows: [[String]]) -> String {
            let head = columns.map { "<th>\(safe($0))</th>" }.joined()
            let body = rows.map { "<tr>" + $0.map { "<td>\(safe($0))</td>" }.joined() + "</tr>\n" }.joined()
            return "<h2>\(safe(title))</h2>\n<table><tr>\(head)</tr>\n\(body)</table>\n"
        }
        let totals = ListenerTotals.Kind.allCases
        let listeners = list("listeners", status).map { listener in
            [
                listener["name"]?.string ?? "", list("binds", listener).compactMap(\.string).joined(separator: " "),
                "\(number(listener["sessions"]))",
            ] + totals.map { "\(number(listener["totals"]?[$0.name]))" }
        }
        let rows = servers(status).map { backend, server in
            [
                backend, server["name"]?.string ?? "", server["address"]?.string ?? "", server["status"]?.string ?? "",
                "\(number(server["since_ms"]) / 1000) s", "\(number(server["sessions"]))", "\(number(server["weight"]))",
                server["last_check"]?.string ?? "",
            ]
        }
        let ends = (status["counters"]?["ends"]?.members ?? []).map { [$0.name, "\(number($0.value))"] }
        let serves = status["serving"]?.bool == true ? "serves" : "DOES NOT SERVE"
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="\(refresh)"><title>understudy</title>
            <style>body{font-family:sans-serif}table{border-collapse:collapse}td,th{border:1px solid #999;padding:2px 8px;\
            text-align:left}</style></head><body>
            <h1>The balancer \(serves) \(number(status["sessions"])) sessions</h1>
            \(table("Listeners", ["name", "binds", "sessions"] + totals.map(\.name), listeners))\
            \(table("Servers", ["backend", "server", "address", "status", "since", "sessions", "weight", "last check"], rows))\
            \(table("Ends of sessions", ["cause", "count"], ends))\
            </body></html>

            """
    }
}
