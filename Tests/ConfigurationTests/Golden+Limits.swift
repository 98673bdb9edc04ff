// Broken configurations and the exact message each of them gets: limits, access rules, the log.

extension Golden {
    /// A listener with one line of its own, and its message; the line stands in the third line of the file.
    private static func listener(_ title: String, _ line: String, _ messages: String) -> Golden {
        Golden(
            title, as: .anybody,
            file: """
                backend b { server s1 192.168.0.2:1883 }
                listen m { bind *:1883; use b
                \(line)
                }
                """, messages: messages)
    }

    private static func log(_ title: String, _ line: String, _ messages: String) -> Golden {
        Golden(
            title, as: .anybody,
            file: """
                backend b { server s1 192.168.0.2:1883 }
                listen m { bind *:1883; use b }
                \(line)
                """, messages: messages)
    }

    static let limits = [
        listener(
            "a rate without a unit", "limit connect-rate 2000",
            #"""
            test.conf:3:20: error: the rate 2000 has no unit
                3 | limit connect-rate 2000
                  |                    ^~~~
                  = write 2000/s
            """#),
        listener(
            "a rate that is none", "limit source-rate 5/m",
            #"""
            test.conf:3:19: error: "5/m" is not a rate
                3 | limit source-rate 5/m
                  |                   ^~~
                  = write 1/s to 1000000/s
            """#),
        listener(
            "a rate of nothing", "limit client-rate 0/s",
            #"""
            test.conf:3:19: error: 0/s is out of range
                3 | limit client-rate 0/s
                  |                   ^~~
                  = write 1/s to 1000000/s
            """#),
        listener(
            "flapping within no time", "limit flapping 10 per 60",
            #"""
            test.conf:3:23: error: the duration 60 has no unit
                3 | limit flapping 10 per 60
                  |                       ^~
                  = write 60ms or 60s
            """#),
        listener(
            "an access rule that is neither", "access reject 10.0.0.0/8",
            #"""
            test.conf:3:8: error: access knows no "reject"
                3 | access reject 10.0.0.0/8
                  |        ^~~~~~
                  = did you mean "deny"?
            """#),
        listener(
            "an access rule without a network", "access deny",
            #"""
            test.conf:3:12: error: access lacks all | file FILE | NETWORK
                3 | access deny
                  |            ^
                  = write: access (allow | deny) (all | file FILE | NETWORK)
            """#),
        listener(
            "NGINX's word for an access rule", "deny 10.0.0.0/8",
            #"""
            test.conf:3:1: error: unknown directive "deny" in listen
                3 | deny 10.0.0.0/8
                  | ^~~~
                  = here it is written: access (allow | deny) (all | file FILE | NETWORK)
            """#),
        listener(
            "a rule behind the one for all", "access deny all; access allow 10.0.0.0/8",
            #"""
            test.conf:3:18: error: this rule is never reached
                3 | access deny all; access allow 10.0.0.0/8
                  |                  ^~~~~~~~~~~~~~~~~~~~~~~
                  = write it above the rule for all
            test.conf:3:1: note: this one matches everybody
                3 | access deny all; access allow 10.0.0.0/8
                  | ^~~~~~~~~~~~~~~
            """#),
        log(
            "a facility nobody knows", "log { to syslog 10.0.0.5:514 facility locla3 }",
            #"""
            test.conf:3:39: error: "locla3" is not known here
                3 | log { to syslog 10.0.0.5:514 facility locla3 }
                  |                                       ^~~~~~
                  = did you mean "local3"?
            """#),
        log(
            "a facility for the journal", "log { to journal facility local3 }",
            #"""
            test.conf:3:27: error: facility belongs to syslog
                3 | log { to journal facility local3 }
                  |                           ^~~~~~
                  = leave it out, or write: to syslog ADDRESS:PORT
            """#),
        log(
            "one target twice", "log { to journal; to journal level error }",
            #"""
            test.conf:3:19: error: records go there already
                3 | log { to journal; to journal level error }
                  |                   ^~~~~~~~~~~~~~~~~~~~~~
                  = write each target once
            test.conf:3:7: note: the first one is here
                3 | log { to journal; to journal level error }
                  |       ^~~~~~~~~~
            """#),
        log(
            "HAProxy's word for probes", "log { option dontlognull }",
            #"""
            test.conf:3:7: error: unknown directive "option" in log
                3 | log { option dontlognull }
                  |       ^~~~~~
                  = here it is written: empty off | on
            """#),
    ]

    static let limitWarnings = [
        listener(
            "rules that keep nobody out", "access allow 10.0.0.0/8",
            #"""
            test.conf:3:1: warning: these rules keep nobody out: whom none names is let in
                3 | access allow 10.0.0.0/8
                  | ^~~~~~~~~~~~~~~~~~~~~~~
                  = add behind them: access deny all
            """#),
        listener(
            "a first byte with more time than the whole CONNECT", "timeout first-byte 20s",
            #"""
            test.conf:3:1: warning: the first byte is never waited for as long: the whole CONNECT has 10s
                3 | timeout first-byte 20s
                  | ^~~~~~~~~~~~~~~~~~~~~~
                  = lower it, or raise timeout connect
            """#),
        listener(
            "a source that may have more than the listener", "limit connections 10; limit source-connections 20",
            #"""
            test.conf:3:23: warning: no source reaches 20: the listener ends at 10
                3 | limit connections 10; limit source-connections 20
                  |                       ^~~~~~~~~~~~~~~~~~~~~~~~~~~
                  = lower it, or raise limit connections
            """#),
        log(
            "sessions that no target takes", "log { sessions end; level notice }",
            #"""
            test.conf:3:7: warning: sessions are written at level info, which no target takes
                3 | log { sessions end; level notice }
                  |       ^~~~~~~~~~~~
                  = write: level info
            """#),
    ]
}
