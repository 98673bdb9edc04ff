// Broken configurations and the exact message each of them gets: rules, servers by name, checks, sources.

extension Golden {
    static let backends = [
        Golden(
            "a percentage without its sign", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b when percentage 20; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: error: "20" is not a percentage
                    1 | listen m { bind *:1883; use b when percentage 20; use b }
                      |                                               ^~
                      = write 0.01% to 100%
                """#),
        Golden(
            "a percentage with three decimals", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b when percentage 0.001%; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:47: error: "0.001%" has more than two decimals
                    1 | listen m { bind *:1883; use b when percentage 0.001%; use b }
                      |                                               ^~~~~~
                      = write 0.01% to 100%
                """#),
        Golden(
            "percentages beyond everybody", as: .anybody,
            file: #"""
                listen m {
                    bind *:1883
                    use b when percentage 60%
                    use b when percentage 40.01%
                    use b
                }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:5: error: the percentages of this listener add up to 100.01%
                    4 |     use b when percentage 40.01%
                      |     ^~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = 100% is everybody
                """#),
        Golden(
            "two conditions in one use", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b when sni x username y; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:25: error: sni and username in one use
                    1 | listen m { bind *:1883; use b when sni x username y; use b }
                      |                         ^~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = a use looks at one thing; write one line for each
                """#),
        Golden(
            "when without a condition", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b when; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:25: error: when what?
                    1 | listen m { bind *:1883; use b when; use b }
                      |                         ^~~~~~~~~~
                      = write: use BACKEND when sni …; there is: sni, username, client-id, certificate-cn, percentage
                """#),
        Golden(
            "a condition without when", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b sni x; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:25: error: sni without when
                    1 | listen m { bind *:1883; use b sni x; use b }
                      |                         ^~~~~~~~~~~
                      = write: use BACKEND when sni …; there is: sni, username, client-id, certificate-cn, percentage
                """#),
        Golden(
            "a use behind the last one", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; use b when sni x }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: this use is never reached
                    1 | listen m { bind *:1883; use b; use b when sni x }
                      |                                ^~~~~~~~~~~~~~~~
                      = the use without when is the last: it takes everybody who is left
                test.conf:1:25: note: it is here
                    1 | listen m { bind *:1883; use b; use b when sni x }
                      |                         ^~~~~
                """#),
        Golden(
            "two uses without when", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: a second use without when
                    1 | listen m { bind *:1883; use b; use b }
                      |                                ^~~~~
                      = the use without when is the last: it takes everybody who is left
                test.conf:1:25: note: it is here
                    1 | listen m { bind *:1883; use b; use b }
                      |                         ^~~~~
                """#),
        Golden(
            "no use for everybody else", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b when sni x }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:41: error: this listener has no backend for everybody else
                    1 | listen m { bind *:1883; use b when sni x }
                      |                                         ^
                      = add a last line without when: use BACKEND
                """#),
        Golden(
            "a server name without a port", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 emqx1.local }
                """#,
            messages: #"""
                test.conf:2:23: error: "emqx1.local" has no port
                    2 | backend b { server s1 emqx1.local }
                      |                       ^~~~~~~~~~~
                      = write emqx1.local:1883
                """#),
        Golden(
            "a server name with a wrong port", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 emqx1.local:70000 }
                """#,
            messages: #"""
                test.conf:2:23: error: "70000" is not a port
                    2 | backend b { server s1 emqx1.local:70000 }
                      |                       ^~~~~~~~~~~~~~~~~
                      = write 1 to 65535
                """#),
        Golden(
            "a server that is neither address nor name", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 emqx_1..local:1883 }
                """#,
            messages: #"""
                test.conf:2:23: error: "emqx_1..local:1883" is not a server and port
                    2 | backend b { server s1 emqx_1..local:1883 }
                      |                       ^~~~~~~~~~~~~~~~~~
                      = write 10.0.0.11:1883, [2001:db8::11]:1883 or broker.example.com:1883
                """#),
        Golden(
            "a load bound of a fair load", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; balance hash client-id bounded-load 100 }
                """#,
            messages: #"""
                test.conf:2:77: error: 100 is out of range
                    2 | backend b { server s1 192.168.0.2:1883; balance hash client-id bounded-load 100 }
                      |                                                                             ^~~
                      = write 101 to 1000
                """#),
        Golden(
            "a check of an unknown kind", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check htp }
                """#,
            messages: #"""
                test.conf:2:47: error: check knows no "htp"
                    2 | backend b { server s1 192.168.0.2:1883; check htp }
                      |                                               ^~~
                      = did you mean "http"?
                """#),
        Golden(
            "an option of another kind of check", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check tcp path /status }
                """#,
            messages: #"""
                test.conf:2:51: error: unknown option "path" of check
                    2 | backend b { server s1 192.168.0.2:1883; check tcp path /status }
                      |                                                   ^~~~
                      = write: check none | mqtt [OPTION …] | tcp [OPTION …] | tls [OPTION …] | http [OPTION …] | agent [OPTION …]
                """#),
        Golden(
            "a check of an unknown MQTT version", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check mqtt version 4 }
                """#,
            messages: #"""
                test.conf:2:60: error: "4" is none of 3.1.1, 5
                    2 | backend b { server s1 192.168.0.2:1883; check mqtt version 4 }
                      |                                                            ^
                """#),
        Golden(
            "an agent without a port", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check agent }
                """#,
            messages: #"""
                test.conf:2:52: error: an agent answers at a port of its own
                    2 | backend b { server s1 192.168.0.2:1883; check agent }
                      |                                                    ^
                      = add: port N
                """#),
        Golden(
            "a fast interval that is slow", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check tcp every 1s fast-interval 2s }
                """#,
            messages: #"""
                test.conf:2:41: error: fast-interval 2s is longer than the interval, 1s
                    2 | backend b { server s1 192.168.0.2:1883; check tcp every 1s fast-interval 2s }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = it is the interval while the verdict is open: write a shorter one
                """#),
        Golden(
            "an unknown word behind a password", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check mqtt username u password "geh} \"eim" rubbish }
                """#,
            messages: #"""
                test.conf:2:85: error: unknown option "rubbish" of check
                    2 | backend b { server s1 192.168.0.2:1883; check mqtt username u password ************ rubbish }
                      |                                                                                     ^~~~~~~
                      = write: check none | mqtt [OPTION …] | tcp [OPTION …] | tls [OPTION …] | http [OPTION …] | agent [OPTION …]
                """#),
        Golden(
            "a password without a username", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check mqtt password x }
                """#,
            messages: #"""
                test.conf:2:41: error: a password without a username
                    2 | backend b { server s1 192.168.0.2:1883; check mqtt password * }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~
                      = MQTT 3.1.1 does not allow it (3.1.2.9); add: username TEXT
                """#),
        Golden(
            "a check that speaks TLS to servers that do not", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check tls every 1s }
                """#,
            messages: #"""
                test.conf:2:41: error: this check speaks TLS, and the backend says nothing about it
                    2 | backend b { server s1 192.168.0.2:1883; check tls every 1s }
                      |                                         ^~~~~~~~~~~~~~~~~~
                      = add: tls { ca FILE; server-name NAME }
                """#),
        Golden(
            "a check of another port that speaks TLS", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check http port 8443 tls }
                """#,
            messages: #"""
                test.conf:2:41: error: this check speaks TLS, and the backend says nothing about it
                    2 | backend b { server s1 192.168.0.2:1883; check http port 8443 tls }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~~~~
                      = add: tls { ca FILE; server-name NAME }
                """#),
        Golden(
            "one status for good and draining", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check http drain 200 }
                """#,
            messages: #"""
                test.conf:2:41: error: expect and drain are the same status
                    2 | backend b { server s1 192.168.0.2:1883; check http drain 200 }
                      |                                         ^~~~~~~~~~~~~~~~~~~~
                      = one of them has to differ
                """#),
        Golden(
            "a source that is no host's", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; source 0.0.0.0 }
                """#,
            messages: #"""
                test.conf:2:41: error: 0.0.0.0 is no address
                    2 | backend b { server s1 192.168.0.2:1883; source 0.0.0.0 }
                      |                                         ^~~~~~~~~~~~~~
                      = write an address of this host, or *
                """#),
        Golden(
            "a source twice", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; source *; source * }
                """#,
            messages: #"""
                test.conf:2:51: error: this source is written twice
                    2 | backend b { server s1 192.168.0.2:1883; source *; source * }
                      |                                                   ^~~~~~~~
                test.conf:2:41: note: the first one is here
                    2 | backend b { server s1 192.168.0.2:1883; source *; source * }
                      |                                         ^~~~~~~~
                """#),
        Golden(
            "shares beyond everybody", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; source 10.0.0.1 share 60%; source 10.0.0.2 share 50% }
                """#,
            messages: #"""
                test.conf:2:68: error: the shares of these sources add up to 110%
                    2 | backend b { server s1 192.168.0.2:1883; source 10.0.0.1 share 60%; source 10.0.0.2 share 50% }
                      |                                                                    ^~~~~~~~~~~~~~~~~~~~~~~~~
                      = 100% is everybody
                """#),
        Golden(
            "a source of an unknown node", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; source 10.0.0.1 node lb3 }
                """#,
            messages: #"""
                test.conf:2:62: error: no node is called "lb3"
                    2 | backend b { server s1 192.168.0.2:1883; source 10.0.0.1 node lb3 }
                      |                                                              ^~~
                      = leave node out: the file has no nodes
                """#),
        Golden(
            "an end that is neither close nor keep", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; on-down kill }
                """#,
            messages: #"""
                test.conf:2:49: error: on-down knows no "kill"
                    2 | backend b { server s1 192.168.0.2:1883; on-down kill }
                      |                                                 ^~~~
                      = write: on-down close [spread DURATION] | keep
                """#),
        Golden(
            "a resolver by name", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                resolver dns.example:53
                """#,
            messages: #"""
                test.conf:3:10: error: "dns.example:53" is not an address and port
                    3 | resolver dns.example:53
                      |          ^~~~~~~~~~~~~~
                      = write 10.0.0.11:1883, [2001:db8::11]:1883 or *:1883; names are not looked up
                """#),
    ]
}
