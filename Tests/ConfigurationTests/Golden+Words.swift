// Broken configurations and the exact message each of them gets: words that are no directive, and directives with the wrong words.

extension Golden {
    static let words = [
        Golden(
            "an unknown directive", as: .anybody,
            file: #"""
                listen m { bnd *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:12: error: unknown directive "bnd" in listen
                    1 | listen m { bnd *:1883; use b }
                      |            ^~~
                      = did you mean "bind"?
                """#),
        Golden(
            "an unknown block", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backand b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:1: error: unknown directive "backand" at the top level
                    2 | backand b { server s1 192.168.0.2:1883 }
                      | ^~~~~~~
                      = did you mean "backend"?
                """#),
        Golden(
            "an unknown word far from any", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                frobnicate yes
                """#,
            messages: #"""
                test.conf:3:1: error: unknown directive "frobnicate" at the top level
                    3 | frobnicate yes
                      | ^~~~~~~~~~
                      = there is: node, pair, vrrp, sync-group, script, listen, backend, stick-table, status, admin, log, drain, resolver, loops, user, limit sessions, realtime-priority, close-spread, include
                """#),
        Golden(
            "a directive in the wrong block", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; priority 100 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: unknown directive "priority" in listen
                    1 | listen m { bind *:1883; use b; priority 100 }
                      |                                ^~~~~~~~
                      = priority stands in node or in vrrp
                """#),
        Golden(
            "the second word of a directive", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; timeout idel 10s }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: unknown directive "timeout idel" in listen
                    1 | listen m { bind *:1883; use b; timeout idel 10s }
                      |                                ^~~~~~~~~~~~
                      = did you mean "timeout idle"?
                """#),
        Golden(
            "the second word missing", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; timeout }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:39: error: timeout of what?
                    1 | listen m { bind *:1883; use b; timeout }
                      |                                       ^
                      = write: timeout connect DURATION; timeout idle keep-alive | DURATION; timeout first-byte connect | DURATION; timeout proxy-protocol DURATION
                """#),
        Golden(
            "a keepalived word", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; address 10.0.0.10/24; virtual_router_id 51 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:48: error: unknown directive "virtual_router_id" in vrrp
                    4 | vrrp v { interface eth0; address 10.0.0.10/24; virtual_router_id 51 }
                      |                                                ^~~~~~~~~~~~~~~~~
                      = here it is written: router-id ID
                """#),
        Golden(
            "a keepalived word without counterpart", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; state MASTER }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:62: error: unknown directive "state" in vrrp
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; state MASTER }
                      |                                                              ^~~~~
                      = not needed: the nodes elect the active one by their priority
                """#),
        Golden(
            "an HAProxy word", as: .anybody,
            file: #"""
                listen m { bind *:1883; default_backend b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:25: error: unknown directive "default_backend" in listen
                    1 | listen m { bind *:1883; default_backend b }
                      |                         ^~~~~~~~~~~~~~~
                      = here it is written: use BACKEND [when] [sni PATTERN] [username PATTERN] [client-id PREFIX] [certificate-cn PATTERN] [percentage PERCENT]
                """#),
        Golden(
            "an HAProxy word of two", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; timeout client 60s }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: unknown directive "timeout client" in listen
                    1 | listen m { bind *:1883; use b; timeout client 60s }
                      |                                ^~~~~~~~~~~~~~
                      = here it is written: timeout idle keep-alive | DURATION
                """#),
        Golden(
            "an NGINX block", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                upstream b {
                    server 192.168.0.2:1883;
                }
                """#,
            messages: #"""
                test.conf:2:1: error: unknown directive "upstream" at the top level
                    2 | upstream b {
                      | ^~~~~~~~
                      = here it is written: backend NAME { … }
                """#),
        Golden(
            "an HAProxy algorithm", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; balance leastconn }
                """#,
            messages: #"""
                test.conf:2:49: error: balance knows no "leastconn"
                    2 | backend b { server s1 192.168.0.2:1883; balance leastconn }
                      |                                                 ^~~~~~~~~
                      = did you mean "least-connections"?
                """#),
        Golden(
            "HAProxy's word for the status pages", as: .anybody,
            file: #"""
                stats { bind 127.0.0.1:8888 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:1: error: unknown directive "stats" at the top level
                    1 | stats { bind 127.0.0.1:8888 }
                      | ^~~~~
                      = here it is written: status { … }
                """#),
        Golden(
            "status pages where clients come", as: .anybody,
            file: #"""
                status { bind 127.0.0.1:1883 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:15: error: 127.0.0.1:1883 and *:1883 share port 1883
                    1 | status { bind 127.0.0.1:1883 }
                      |               ^~~~~~~~~~~~~~
                      = give each listener its own address and port
                test.conf:2:17: note: the other one is here
                    2 | listen m { bind *:1883; use b }
                      |                 ^~~~~~
                """#),
        Golden(
            "an unknown algorithm", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; balance fastest }
                """#,
            messages: #"""
                test.conf:2:49: error: balance knows no "fastest"
                    2 | backend b { server s1 192.168.0.2:1883; balance fastest }
                      |                                                 ^~~~~~~
                      = write: balance least-connections | round-robin | source | hash client-id [consistent] [bounded-load PERCENT] | random | first
                """#),
        Golden(
            "an unknown option", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; server s2 192.168.0.3:1883 wait 2 }
                """#,
            messages: #"""
                test.conf:2:68: error: unknown option "wait" of server
                    2 | backend b { server s1 192.168.0.2:1883; server s2 192.168.0.3:1883 wait 2 }
                      |                                                                    ^~~~
                      = write: server NAME HOST:PORT [weight N] [backup] [disabled] [max-connections N] [slow-start DURATION] [max-fails N] [fail-timeout DURATION] [websocket TARGET] [host NAME]
                """#),
        Golden(
            "an option written twice", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; server s2 192.168.0.3:1883 backup backup }
                """#,
            messages: #"""
                test.conf:2:75: error: "backup" is written twice
                    2 | backend b { server s1 192.168.0.2:1883; server s2 192.168.0.3:1883 backup backup }
                      |                                                                           ^~~~~~
                """#),
        Golden(
            "words too many", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; backlog 10 20 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:43: error: unexpected "20"
                    1 | listen m { bind *:1883; use b; backlog 10 20 }
                      |                                           ^~
                      = write: backlog N
                """#),
        Golden(
            "a directive written twice", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; backlog 10; backlog 20 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:44: error: backlog is written twice
                    1 | listen m { bind *:1883; use b; backlog 10; backlog 20 }
                      |                                            ^~~~~~~~~~
                test.conf:1:32: note: it was written here already
                    1 | listen m { bind *:1883; use b; backlog 10; backlog 20 }
                      |                                ^~~~~~~~~~
                """#),
        Golden(
            "a value missing", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; backlog }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:39: error: backlog lacks N
                    1 | listen m { bind *:1883; use b; backlog }
                      |                                       ^
                      = write: backlog N
                """#),
        Golden(
            "a name missing", as: .anybody,
            file: #"""
                listen { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:7: error: listen lacks NAME
                    1 | listen { bind *:1883; use b }
                      |       ^
                      = write: listen NAME { … }
                """#),
        Golden(
            "a name that is none", as: .anybody,
            file: #"""
                listen a/b { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:8: error: "a/b" is not a name
                    1 | listen a/b { bind *:1883; use b }
                      |        ^~~
                      = a name is made of letters, digits, . _ - (at most 64)
                """#),
        Golden(
            "a block missing", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                admin
                """#,
            messages: #"""
                test.conf:3:6: error: admin needs a block
                    3 | admin
                      |      ^
                      = write: admin { … }
                """#),
        Golden(
            "a block where none belongs", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; backlog 10 { } }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: backlog takes no block
                    1 | listen m { bind *:1883; use b; backlog 10 { } }
                      |                                ^~~~~~~~~~
                      = write: backlog N
                """#),
        Golden(
            "a check that is none with options", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check none every 2s }
                """#,
            messages: #"""
                test.conf:2:52: error: unexpected "every"
                    2 | backend b { server s1 192.168.0.2:1883; check none every 2s }
                      |                                                    ^~~~~
                      = write: check none | mqtt [OPTION …] | tcp [OPTION …] | tls [OPTION …] | http [OPTION …] | agent [OPTION …]
                """#),
    ]
}
