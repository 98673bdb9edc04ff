// Broken configurations and the exact message each of them gets: names that nothing bears, or two things.

extension Golden {
    static let names = [
        Golden(
            "an unknown backend", as: .anybody,
            file: #"""
                listen m { bind *:1883; use brokers }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:29: error: no backend is called "brokers"
                    1 | listen m { bind *:1883; use brokers }
                      |                             ^~~~~~~
                      = there is: b
                """#),
        Golden(
            "a misspelt backend", as: .anybody,
            file: #"""
                listen m { bind *:1883; use emxq }
                backend emqx { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:29: error: no backend is called "emxq"
                    1 | listen m { bind *:1883; use emxq }
                      |                             ^~~~
                      = did you mean "emqx"?
                """#),
        Golden(
            "an unknown table", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; stick on client-id table t }
                """#,
            messages: #"""
                test.conf:2:66: error: no stick-table is called "t"
                    2 | backend b { server s1 192.168.0.2:1883; stick on client-id table t }
                      |                                                                  ^
                      = add: stick-table t { … }
                """#),
        Golden(
            "a priority of an unknown node", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; priority lb3 100 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:71: error: no node is called "lb3"
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; priority lb3 100 }
                      |                                                                       ^~~
                      = did you mean "lb1"?
                """#),
        Golden(
            "two backends of one name", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                backend b { server s1 192.168.0.3:1883 }
                """#,
            messages: #"""
                test.conf:3:9: error: a second backend is called "b"
                    3 | backend b { server s1 192.168.0.3:1883 }
                      |         ^
                      = give it another name
                test.conf:2:9: note: the first one is here
                    2 | backend b { server s1 192.168.0.2:1883 }
                      |         ^
                """#),
        Golden(
            "two servers of one name", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; server s1 192.168.0.3:1883 }
                """#,
            messages: #"""
                test.conf:2:48: error: a second server is called "s1"
                    2 | backend b { server s1 192.168.0.2:1883; server s1 192.168.0.3:1883 }
                      |                                                ^~
                      = give it another name
                test.conf:2:20: note: the first one is here
                    2 | backend b { server s1 192.168.0.2:1883; server s1 192.168.0.3:1883 }
                      |                    ^~
                """#),
        Golden(
            "an unknown --node", as: .node("lb9"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf: error: no node is called "lb9" (--node)
                      = there is: lb1, lb2
                """#),
        Golden(
            "--node without nodes", as: .node("lb1"),
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf: error: --node lb1 was given, but the file has no node
                      = leave --node out
                """#),
        Golden(
            "a host that is none of the nodes", as: .addresses(10, 0, 0, 7),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:20: error: this host is none of the nodes: it has 10.0.0.7
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      |                    ^~~~~~~~~
                      = correct an address, or say who it is: --node lb1
                test.conf:2:20: note: nor this one
                    2 | node lb2 { address 10.0.0.12 }
                      |                    ^~~~~~~~~
                """#),
    ]
}
