// Mistakes in the protocol of virtual routers.

extension Golden {
    /// Versions, families, authentication, peers and groups.
    static let routers = [
        Golden(
            "version 2 with milliseconds", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; advert-interval 100ms }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:89: error: VRRP version 2 counts whole seconds
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; advert-interval 100ms }
                      |                                                                                         ^~~~~
                      = write 1s to 255s, the same on every router
                test.conf:4:62: note: the version is set here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; advert-interval 100ms }
                      |                                                              ^~~~~~~~~
                """#),
        Golden(
            "version 2 with IPv6", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; address fd00::11; priority 150 }
                node lb2 { address 10.0.0.12; address fd00::12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address fd00::10/64; version 2 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:70: error: VRRP version 2 knows no IPv6
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address fd00::10/64; version 2 }
                      |                                                                      ^~~~~~~~~~~
                      = write: version 3
                test.conf:4:83: note: the version is set here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address fd00::10/64; version 2 }
                      |                                                                                   ^~~~~~~~~
                """#),
        Golden(
            "version 2 with a form of checksum", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; checksum message-only }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:73: error: VRRP version 2 has one form of checksum
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; checksum message-only }
                      |                                                                         ^~~~~~~~~~~~~~~~~~~~~
                      = leave it out
                test.conf:4:62: note: the version is set here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; checksum message-only }
                      |                                                              ^~~~~~~~~
                """#),
        Golden(
            "IPv6 beside IPv4 without an IPv6 address of the nodes", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address fd00::10/64 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:70: error: unicast adverts for fd00::10 need nodes with IPv6 addresses
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address fd00::10/64 }
                      |                                                                      ^~~~~~~~~~~
                      = give the nodes such addresses, or write: transport multicast
                test.conf:1:20: note: the node is here
                    1 | node lb1 { address 10.0.0.11; priority 150 }
                      |                    ^~~~~~~~~
                """#),
        Golden(
            "two addresses of one family for a node", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; address 10.0.0.13; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 1s }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:39: error: a second IPv4 address of this node
                    1 | node lb1 { address 10.0.0.11; address 10.0.0.13; priority 150 }
                      |                                       ^~~~~~~~~
                      = a node has one address of each family: the one the other node reaches it by
                test.conf:1:20: note: the other one is here
                    1 | node lb1 { address 10.0.0.11; address 10.0.0.13; priority 150 }
                      |                    ^~~~~~~~~
                """#),
        Golden(
            "a password in version 3", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; authentication password secret }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:62: error: VRRP version 3 has no password
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; authentication password ****** }
                      |                                                              ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = write: authentication hmac, or version 2 for a router that wants one
                """#),
        Golden(
            "a password that is too long", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; authentication password much2long }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:97: error: the word has 9 bytes
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 2; authentication password ********* }
                      |                                                                                                 ^~~~~~~~~
                      = write 1 to 8
                """#),
        Golden(
            "anti-replay without the HMAC", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; authentication none; anti-replay time }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:83: error: anti-replay means nothing without the HMAC
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; authentication none; anti-replay time }
                      |                                                                                   ^~~~~~~~~~~~~~~~
                      = leave it out, or write: authentication hmac
                test.conf:4:62: note: the authentication is set here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; authentication none; anti-replay time }
                      |                                                              ^~~~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "a window without clocks", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; clock-window 5s }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:62: error: clock-window means nothing without anti-replay time
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; clock-window 5s }
                      |                                                              ^~~~~~~~~~~~~~~
                      = leave it out, or write: anti-replay time
                """#),
        Golden(
            "two keys of one number", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hmac-key 1 /a; hmac-key 1 /b }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:86: error: a second key has the number 1
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hmac-key 1 /a; hmac-key 1 /b }
                      |                                                                                      ^
                test.conf:4:71: note: the first one is here
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hmac-key 1 /a; hmac-key 1 /b }
                      |                                                                       ^
                """#),
        Golden(
            "an active key that is not there", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hmac-key 1 /a; active-key 2 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:77: error: no hmac-key has the number 2
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hmac-key 1 /a; active-key 2 }
                      |                                                                             ^~~~~~~~~~~~
                      = there is: 1
                """#),
        Golden(
            "a peer without a word on authentication", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; peer 10.0.0.12 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:62: error: how are adverts to and from this peer authenticated?
                    2 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; peer 10.0.0.12 }
                      |                                                              ^~~~~~~~~~~~~~
                      = write: authentication none (keepalived before 2.4.2 takes nothing else with version 3); or: hmac-key N FILE
                """#),
        Golden(
            "no secret to derive a key from", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; transport multicast }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:1: error: there is no key: without a pair there is no secret to derive one from
                    2 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; transport multicast }
                      | ^~~~~~
                      = write: authentication none; or add: hmac-key N FILE
                """#),
        Golden(
            "peers by multicast", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                vrrp v { interface e; router-id 1; address 10.0.0.10/24; hmac-key 1 /k; peer 10.0.0.2; transport multicast }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:73: error: peers are spoken to by unicast
                    2 | vrrp v { interface e; router-id 1; address 10.0.0.10/24; hmac-key 1 /k; peer 10.0.0.2; transport multicast }
                      |                                                                         ^~~~~~~~~~~~~
                      = leave the peers out, or write: transport unicast
                test.conf:2:88: note: the transport is set here
                    2 | vrrp v { interface e; router-id 1; address 10.0.0.10/24; hmac-key 1 /k; peer 10.0.0.2; transport multicast }
                      |                                                                                        ^~~~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "a virtual address as a peer", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; peer 10.0.0.10; authentication none }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:67: error: the peer 10.0.0.10 is a virtual address
                    2 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; peer 10.0.0.10; authentication none }
                      |                                                                   ^~~~~~~~~
                      = write the other router's own address
                test.conf:2:48: note: the virtual address is here
                    2 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; peer 10.0.0.10; authentication none }
                      |                                                ^~~~~~~~~~~~
                """#),
        Golden(
            "a router in two groups", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; preempt never }
                sync-group g { router v }
                sync-group h { router v }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:6:23: error: vrrp v is in a group already
                    6 | sync-group h { router v }
                      |                       ^
                      = a virtual router is in one group at most
                test.conf:5:23: note: it was named here
                    5 | sync-group g { router v }
                      |                       ^
                """#),
        Golden(
            "a group with an unknown router", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; preempt never }
                sync-group g { router w }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:5:23: error: no vrrp is called "w"
                    5 | sync-group g { router w }
                      |                       ^
                      = did you mean "v"?
                """#),
    ]
}
