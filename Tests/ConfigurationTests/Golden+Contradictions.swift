// Broken configurations and the exact message each of them gets: settings that contradict one another.

extension Golden {
    static let contradictions = [
        Golden(
            "two nodes with one address", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.11 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:20: error: two nodes have the address 10.0.0.11
                    2 | node lb2 { address 10.0.0.11 }
                      |                    ^~~~~~~~~
                      = give each host its own address
                test.conf:1:20: note: the other one is here
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      |                    ^~~~~~~~~
                """#),
        Golden(
            "nodes of two families", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address fd00::12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:20: error: the nodes have addresses of different families
                    2 | node lb2 { address fd00::12 }
                      |                    ^~~~~~~~
                      = give both an IPv4 or both an IPv6 address first: they must reach each other
                test.conf:1:20: note: the other one is here
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      |                    ^~~~~~~~~
                """#),
        Golden(
            "a third node", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                node lb3 { address 10.0.0.13 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:3:1: error: a third node
                    3 | node lb3 { address 10.0.0.13 }
                      | ^~~~~~~~
                      = this version of understudy knows a pair: two nodes, one of them active
                test.conf:1:1: note: the first node is here
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      | ^~~~~~~~
                """#),
        Golden(
            "one router-id twice", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                vrrp w { interface eth0; router-id 51; address 10.0.0.20/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:5:36: error: router-id 51 is taken on eth0
                    5 | vrrp w { interface eth0; router-id 51; address 10.0.0.20/24 }
                      |                                    ^~
                      = give each virtual router of a link its own number
                test.conf:4:36: note: the other one is here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                      |                                    ^~
                """#),
        Golden(
            "IPv6 by unicast between IPv4 nodes", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address fd00::10/64 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:48: error: unicast adverts for fd00::10 need nodes with IPv6 addresses
                    4 | vrrp v { interface eth0; router-id 51; address fd00::10/64 }
                      |                                                ^~~~~~~~~~~
                      = give the nodes such addresses, or write: transport multicast
                test.conf:1:20: note: the node is here
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      |                    ^~~~~~~~~
                """#),
        Golden(
            "a virtual address twice", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:70: error: the virtual address 10.0.0.10 is written twice
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address 10.0.0.10/24 }
                      |                                                                      ^~~~~~~~~~~~
                test.conf:4:48: note: the other one is here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address 10.0.0.10/24 }
                      |                                                ^~~~~~~~~~~~
                """#),
        Golden(
            "a virtual address that is a node", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.11/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:48: error: the virtual address 10.0.0.11 is a node's own
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.11/24 }
                      |                                                ^~~~~~~~~~~~
                      = the virtual address moves between the hosts: choose one that nobody has
                test.conf:1:20: note: the node is here
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      |                    ^~~~~~~~~
                """#),
        Golden(
            "a virtual address that is a network", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.0/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:48: error: 10.0.0.0 is the network's own address under /24
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.0/24 }
                      |                                                ^~~~~~~~~~~
                      = write the address that clients connect to
                """#),
        Golden(
            "a virtual address that is multicast", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 224.0.0.18/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:48: error: 224.0.0.18 is a multicast address
                    4 | vrrp v { interface eth0; router-id 51; address 224.0.0.18/24 }
                      |                                                ^~~~~~~~~~~~~
                      = write the address that clients connect to
                """#),
        Golden(
            "tracking its own interface", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; track interface eth0 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:78: error: eth0 is tracked already: it carries the address
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; track interface eth0 }
                      |                                                                              ^~~~
                      = leave it out
                test.conf:4:10: note: its interface is named here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; track interface eth0 }
                      |          ^~~~~~~~~~~~~~
                """#),
        Golden(
            "a server with the virtual address", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 10.0.0.10:1884 }
                """#,
            messages: #"""
                test.conf:6:23: error: the server has the virtual address 10.0.0.10
                    6 | backend b { server s1 10.0.0.10:1884 }
                      |                       ^~~~~~~~~~~~~~
                      = write the broker's own address: the virtual one leads back here
                test.conf:4:48: note: it is a virtual address
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                      |                                                ^~~~~~~~~~~~
                """#),
        Golden(
            "a server that is this balancer", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 10.0.0.12:1883 }
                """#,
            messages: #"""
                test.conf:6:23: error: 10.0.0.12:1883 leads back to this balancer
                    6 | backend b { server s1 10.0.0.12:1883 }
                      |                       ^~~~~~~~~~~~~~
                      = write the broker's address and port
                test.conf:5:17: note: the listener is here
                    5 | listen m { bind *:1883; use b }
                      |                 ^~~~~~
                """#),
        Golden(
            "two servers with one address", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; server s2 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:51: error: two servers of this backend have the address 192.168.0.2:1883
                    2 | backend b { server s1 192.168.0.2:1883; server s2 192.168.0.2:1883 }
                      |                                                   ^~~~~~~~~~~~~~~~
                      = one server with a weight does the same
                test.conf:2:23: note: the other one is here
                    2 | backend b { server s1 192.168.0.2:1883; server s2 192.168.0.2:1883 }
                      |                       ^~~~~~~~~~~~~~~~
                """#),
        Golden(
            "two listeners on one address", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                listen n { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:17: error: *:1883 is bound twice
                    2 | listen n { bind *:1883; use b }
                      |                 ^~~~~~
                      = give each listener its own address and port
                test.conf:1:17: note: the other one is here
                    1 | listen m { bind *:1883; use b }
                      |                 ^~~~~~
                """#),
        Golden(
            "a listener inside another", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                listen n { bind 10.0.0.11:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:17: error: 10.0.0.11:1883 and *:1883 share port 1883
                    2 | listen n { bind 10.0.0.11:1883; use b }
                      |                 ^~~~~~~~~~~~~~
                      = give each listener its own address and port
                test.conf:1:17: note: the other one is here
                    1 | listen m { bind *:1883; use b }
                      |                 ^~~~~~
                """#),
        Golden(
            "a listener on the port of the pair link", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:7946; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:5:17: error: port 7946 on 10.0.0.11 belongs to the pair link
                    5 | listen m { bind *:7946; use b }
                      |                 ^~~~~~
                      = choose another port here or in pair
                test.conf:3:1: note: the pair link is set here
                    3 | pair { secret /k }
                      | ^~~~
                """#),
        Golden(
            "two pairs", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                pair { secret /l }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:1: error: pair is written twice
                    4 | pair { secret /l }
                      | ^~~~
                test.conf:3:1: note: it was written here already
                    3 | pair { secret /k }
                      | ^~~~
                """#),
    ]
}
