// What words of keepalived, HAProxy and NGINX are called here, and what to do about those that have no counterpart.

/// Advice for people who come from another program.
enum ForeignWords {
    /// What to write instead of a directive of another program; `nil` for a word nobody knows.
    ///
    /// - Parameter words: the words of the directive; a foreign name may have two.
    static func advice(for words: [String], in context: Context) -> String? {
        for count in [2, 1] where words.count >= count {
            let phrase = words.prefix(count).joined(separator: " ")
            let matches = Directive.all.filter { $0.foreign.contains(phrase) }
            if let directive = matches.first(where: { $0.context == context }) ?? matches.first {
                let place = directive.context == context ? "" : " \(directive.context.text)"
                return "here it is written\(place): \(directive.usage)"
            }
            if let advice = withoutCounterpart[phrase] { return advice }
        }
        return nil
    }

    /// Words that have no counterpart, with the reason; never a directive of ours.
    static let withoutCounterpart: [String: String] = [
        // keepalived
        "state": "not needed: the nodes elect the active one by their priority",
        "global_defs": "not needed: its settings stand at the top level",
        "track_process": "not needed: the balancer is tracked by itself; see track script for other programs",
        "notify_fifo": "not needed: understudy events --keepalived writes its lines",
        "vrrp_notify_fifo": "not needed: understudy events --keepalived writes its lines",
        // HAProxy
        "global": "not needed: its settings stand at the top level",
        "defaults": "there are no inherited defaults; understudy check prints the value of every setting",
        "option": "HAProxy's options have directives of their own; see understudy explain",
        "tcp-request": "CONNECT is always read and checked by a listener of protocol mqtt",
        "daemon": "not needed: systemd runs understudy in the foreground",
        // NGINX
        "stream": "not needed: listen and backend stand at the top level",
        "events": "not needed: see loops and limit sessions",
        "http": "not needed: listen and backend stand at the top level",
        "mqtt_preread": "not needed: CONNECT is always read by a listener of protocol mqtt",
        "zone": "not needed: all event loops share their state",
        "tcp_nodelay": "not needed: it is always on",
        "ssl_prefer_server_ciphers": "not needed: the order of ciphers and suites is ours",
        "ssl_dhparam": "not needed: the key exchange is by elliptic curves; see groups",
        "no-sslv3": "not needed: SSL is never spoken, and TLS from 1.2 on",
        "no-tlsv10": "not needed: the oldest version is 1.2 unless minimum-version says otherwise",
        "no-tlsv11": "not needed: the oldest version is 1.2 unless minimum-version says otherwise",
    ]
}
