// Broken configurations and the exact message each of them gets: what is missing.

extension Golden {
    static let missing = [
        Golden(
            "an empty file", as: .anybody,
            file: #"""

                """#,
            messages: #"""
                test.conf: error: the file has no listen
                      = add: listen NAME { … }
                """#),
        Golden(
            "a backend without servers", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { tries 2 }
                """#,
            messages: #"""
                test.conf:2:1: error: this backend has no server
                    2 | backend b { tries 2 }
                      | ^~~~~~~~~
                      = add: server NAME HOST:PORT [weight N] [backup] [disabled] [max-connections N] [slow-start DURATION] [max-fails N] [fail-timeout DURATION] [websocket TARGET] [host NAME]
                """#),
        Golden(
            "a listener without bind", as: .anybody,
            file: #"""
                listen m { use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:1: error: this listen has no bind
                    1 | listen m { use b }
                      | ^~~~~~~~
                      = add: bind ADDRESS:PORT
                """#),
        Golden(
            "a virtual router without its number", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:1: error: this vrrp has no router-id
                    4 | vrrp v { interface eth0; address 10.0.0.10/24 }
                      | ^~~~~~
                      = add: router-id ID
                """#),
        Golden(
            "a node without address", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { priority 90 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:1: error: this node has no address
                    2 | node lb2 { priority 90 }
                      | ^~~~~~~~
                      = add: address ADDRESS
                """#),
        Golden(
            "a pair without nodes", as: .anybody,
            file: #"""
                pair { secret /k }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:1: error: a pair needs two nodes, and the file has none
                    1 | pair { secret /k }
                      | ^~~~
                      = add: node NAME { … }
                """#),
        Golden(
            "a virtual router without pair", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:3:1: error: vrrp needs a pair
                    3 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                      | ^~~~~~
                      = add: pair { … }
                """#),
        Golden(
            "a virtual router without anything", as: .anybody,
            file: #"""
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:1: error: vrrp needs two nodes and a pair
                    1 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                      | ^~~~~~
                      = add: node NAME { … }; node NAME { … }; pair { … }
                """#),
        Golden(
            "a replicated table without pair", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; stick on client-id table t }
                stick-table t { replicate }
                """#,
            messages: #"""
                test.conf:3:17: error: a table is replicated to the other node, and the file has no pair
                    3 | stick-table t { replicate }
                      |                 ^~~~~~~~~
                      = add: pair { … }, or leave replicate out
                """#),
    ]
}
