// Broken configurations and the exact message each of them gets: configurations that are good and still deserve a word.

extension Golden {
    static let warnings = [
        Golden(
            "a source address of another host", as: .addresses(10, 0, 0, 11),
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; source 10.0.0.21 }
                """#,
            messages: #"""
                test.conf:2:41: warning: this host does not have the address 10.0.0.21
                    2 | backend b { server s1 192.168.0.2:1883; source 10.0.0.21 }
                      |                                         ^~~~~~~~~~~~~~~~
                      = the daemon refuses to start without it
                """#),
        Golden(
            "status pages for everybody", as: .anybody,
            file: #"""
                status { bind *:8888 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:15: warning: everybody who reaches *:8888 may read the names and counts of servers
                    1 | status { bind *:8888 }
                      |               ^~~~~~
                      = bind it to 127.0.0.1, or keep others away with a firewall
                """#),
        Golden(
            "a check that says what holds anyway", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:8883; tls { server-name a.example }; check http tls }
                """#,
            messages: #"""
                test.conf:2:72: warning: tls says nothing new: servers of this backend are asked as their sessions speak
                    2 | backend b { server s1 192.168.0.2:8883; tls { server-name a.example }; check http tls }
                      |                                                                        ^~~~~~~~~~~~~~
                      = leave tls out, or name the port or address it is for
                """#),
        Golden(
            "equal priorities", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 100 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:1: warning: both nodes have priority 100: the higher address decides
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                      | ^~~~~~
                      = give one node a higher priority, as in: priority 150
                """#),
        Golden(
            "a listener on the virtual address", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind 10.0.0.10:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:5:17: warning: the standby does not have 10.0.0.10 yet when it binds
                    5 | listen m { bind 10.0.0.10:1883; use b }
                      |                 ^~~~~~~~~~~~~~
                      = write *:1883: then both hosts listen before the address arrives
                test.conf:4:48: note: it is a virtual address
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                      |                                                ^~~~~~~~~~~~
                """#),
        Golden(
            "a cluster port", as: .anybody,
            file: #"""
                listen m { bind *:4370; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: warning: 4370 is a port EMQX nodes use among themselves
                    1 | listen m { bind *:4370; use b }
                      |                 ^~~~~~
                      = never offer it to clients; MQTT is 1883
                """#),
        Golden(
            "a port of MQTT over TLS", as: .anybody,
            file: #"""
                listen m { bind *:8883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: warning: 8883 is known as the port of MQTT over TLS, and this listener speaks plain MQTT
                    1 | listen m { bind *:8883; use b }
                      |                 ^~~~~~
                      = MQTT is 1883
                """#),
        Golden(
            "a privileged port", as: .anybody,
            file: #"""
                listen m { bind *:443; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: warning: port 443 needs root or the capability CAP_NET_BIND_SERVICE
                    1 | listen m { bind *:443; use b }
                      |                 ^~~~~
                      = ports from 1024 on need neither
                """#),
        Golden(
            "an interval too small", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 20ms }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:78: warning: a host that stalls for 60ms loses the address to the other
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 20ms }
                      |                                                                              ^~~~
                      = ordinary hosts stall longer now and then; 100ms survives 300ms
                """#),
        Golden(
            "no weight at all", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 weight 0 }
                """#,
            messages: #"""
                test.conf:2:1: warning: no server of this backend takes new clients: the weight of each is 0
                    2 | backend b { server s1 192.168.0.2:1883 weight 0 }
                      | ^~~~~~~~~
                      = give one a weight from 1 to 256
                """#),
        Golden(
            "all servers disabled", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 disabled }
                """#,
            messages: #"""
                test.conf:2:1: warning: no server of this backend takes clients: all are disabled
                    2 | backend b { server s1 192.168.0.2:1883 disabled }
                      | ^~~~~~~~~
                      = enable one with: understudy enable SERVER
                """#),
        Golden(
            "a check that overlaps the next", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; check mqtt every 1s timeout 2s }
                """#,
            messages: #"""
                test.conf:2:41: warning: a check may take 2s, longer than the 1s to the next one
                    2 | backend b { server s1 192.168.0.2:1883; check mqtt every 1s timeout 2s }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = a check that is late delays the next; lower timeout
                """#),
        Golden(
            "sticking to servers nobody checks", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; stick on client-id table t; check none }
                stick-table t { }
                """#,
            messages: #"""
                test.conf:2:69: warning: clients stick to servers that nobody checks
                    2 | backend b { server s1 192.168.0.2:1883; stick on client-id table t; check none }
                      |                                                                     ^~~~~~~~~~
                      = a dead server is then noticed only by those who try it; write: check mqtt
                test.conf:2:41: note: they stick here
                    2 | backend b { server s1 192.168.0.2:1883; stick on client-id table t; check none }
                      |                                         ^~~~~~~~~~~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "a table that is not replicated", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; stick on client-id table t }
                stick-table t { }
                """#,
            messages: #"""
                test.conf:7:1: warning: the table t stays on one node: after a failover its clients are strangers
                    7 | stick-table t { }
                      | ^~~~~~~~~~~~~
                      = add: replicate
                """#),
        Golden(
            "a table nobody uses", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                stick-table t { }
                """#,
            messages: #"""
                test.conf:3:1: warning: no backend uses the table t
                    3 | stick-table t { }
                      | ^~~~~~~~~~~~~
                      = add to a backend: stick on client-id table t
                """#),
        Golden(
            "a backend nobody uses", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                backend c { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:3:1: warning: no listener uses the backend c
                    3 | backend c { server s1 192.168.0.2:1883 }
                      | ^~~~~~~~~
                      = add to a listener: use c
                """#),
        Golden(
            "a limit never reached", as: .anybody,
            file: #"""
                limit sessions 10
                listen m { bind *:1883; use b; limit connections 20 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:32: warning: this listener never reaches 20: all sessions together end at 10
                    2 | listen m { bind *:1883; use b; limit connections 20 }
                      |                                ^~~~~~~~~~~~~~~~~~~~
                      = raise limit sessions, or lower this one
                test.conf:1:1: note: the limit of all is here
                    1 | limit sessions 10
                      | ^~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "nodes for nothing", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:1: warning: nodes without pair and vrrp change nothing
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      | ^~~~~~~~
                      = add pair { … } and vrrp NAME { … }, or leave the nodes out
                """#),
    ]
}
