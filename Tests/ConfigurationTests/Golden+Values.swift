// Broken configurations and the exact message each of them gets: values that are none.

extension Golden {
    static let values = [
        Golden(
            "a duration without a unit", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; timeout idle 60 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:45: error: the duration 60 has no unit
                    1 | listen m { bind *:1883; use b; timeout idle 60 }
                      |                                             ^~
                      = write 60ms or 60s
                """#),
        Golden(
            "a duration that is none", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; timeout idle soon }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:45: error: "soon" is not a duration
                    1 | listen m { bind *:1883; use b; timeout idle soon }
                      |                                             ^~~~
                      = write 1s to 30d; units: us ms s m h d
                """#),
        Golden(
            "a duration out of range", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; timeout connect 10m }
                """#,
            messages: #"""
                test.conf:2:57: error: 10m is out of range
                    2 | backend b { server s1 192.168.0.2:1883; timeout connect 10m }
                      |                                                         ^~~
                      = write 10ms to 5m
                """#),
        Golden(
            "a size without a unit", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; limit connect-size 4096 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:51: error: the size 4096 has no unit
                    1 | listen m { bind *:1883; use b; limit connect-size 4096 }
                      |                                                   ^~~~
                      = write 4096B or 4096KiB
                """#),
        Golden(
            "a size of an unknown unit", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; limit connect-size 64KB }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:51: error: "64KB" is not a size
                    1 | listen m { bind *:1883; use b; limit connect-size 64KB }
                      |                                                   ^~~~
                      = write 64B to 1MiB; units: B KiB MiB
                """#),
        Golden(
            "a number out of range", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; tries 0 }
                """#,
            messages: #"""
                test.conf:2:47: error: 0 is out of range
                    2 | backend b { server s1 192.168.0.2:1883; tries 0 }
                      |                                               ^
                      = write 1 to 8
                """#),
        Golden(
            "a number that is none", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; backlog many }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:40: error: "many" is not a whole number
                    1 | listen m { bind *:1883; use b; backlog many }
                      |                                        ^~~~
                      = write 1 to 65535
                """#),
        Golden(
            "a count out of range", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883; stick on client-id table t }
                stick-table t { size 1G }
                """#,
            messages: #"""
                test.conf:3:22: error: 1G is out of range
                    3 | stick-table t { size 1G }
                      |                      ^~
                      = write 1 to 128M
                """#),
        Golden(
            "an address without a port", as: .anybody,
            file: #"""
                listen m { bind 10.0.0.11; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: error: "10.0.0.11" has no port
                    1 | listen m { bind 10.0.0.11; use b }
                      |                 ^~~~~~~~~
                      = write 10.0.0.11:1883
                """#),
        Golden(
            "a port without an address", as: .anybody,
            file: #"""
                listen m { bind 1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: error: "1883" has no address
                    1 | listen m { bind 1883; use b }
                      |                 ^~~~
                      = write *:1883 for every address
                """#),
        Golden(
            "a port that is none", as: .anybody,
            file: #"""
                listen m { bind *:99999; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: error: "99999" is not a port
                    1 | listen m { bind *:99999; use b }
                      |                 ^~~~~~~
                      = write 1 to 65535
                """#),
        Golden(
            "port 0", as: .anybody,
            file: #"""
                listen m { bind *:0; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: error: port 0 is no port
                    1 | listen m { bind *:0; use b }
                      |                 ^~~
                      = write 1 to 65535
                """#),
        Golden(
            "a listener by name", as: .anybody,
            file: #"""
                listen m { bind emqx1.local:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:17: error: "emqx1.local:1883" is not an address and port
                    1 | listen m { bind emqx1.local:1883; use b }
                      |                 ^~~~~~~~~~~~~~~~
                      = write 10.0.0.11:1883, [2001:db8::11]:1883 or *:1883; names are not looked up
                """#),
        Golden(
            "a prefix too long", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/33 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:48: error: "10.0.0.10/33" has a wrong prefix length
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/33 }
                      |                                                ^~~~~~~~~~~~
                      = write /0 to /32 behind the address
                """#),
        Golden(
            "priority 255", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 255 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:40: error: 255 is refused: it is for a router that owns the address (RFC 9568, 6.1), and here two hosts share it
                    1 | node lb1 { address 10.0.0.11; priority 255 }
                      |                                        ^~~
                """#),
        Golden(
            "priority 0", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 0 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:40: error: 0 is refused: it says that the active router is leaving (RFC 9568, 5.2.4)
                    1 | node lb1 { address 10.0.0.11; priority 0 }
                      |                                        ^
                """#),
        Golden(
            "router-id 0", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 0; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:36: error: 0 is out of range
                    4 | vrrp v { interface eth0; router-id 0; address 10.0.0.10/24 }
                      |                                    ^
                      = write 1 to 255
                """#),
        Golden(
            "an interval below the minimum", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 5ms }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:78: error: 5ms is out of range
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 5ms }
                      |                                                                              ^~~
                      = write 10ms to 40.95s
                """#),
        Golden(
            "an interval above the maximum", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 41s }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:78: error: 41s is out of range
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 41s }
                      |                                                                              ^~~
                      = write 10ms to 40.95s
                """#),
        Golden(
            "an interval between centiseconds", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 125ms }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:78: error: 125ms is not a multiple of 10ms
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; advert-interval 125ms }
                      |                                                                              ^~~~~
                      = write 120ms or 130ms
                """#),
        Golden(
            "VRRP version 1", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 1 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:70: error: 1 is out of range
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; version 1 }
                      |                                                                      ^
                      = write 2 to 3
                """#),
        Golden(
            "a relative path", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret k }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:3:15: error: "k" is not an absolute path
                    3 | pair { secret k }
                      |               ^
                      = begin it with /
                """#),
        Golden(
            "an interface name too long", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface averyveryverylongname; router-id 51; address 10.0.0.10/24 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:20: error: "averyveryverylongname" is not an interface name
                    4 | vrrp v { interface averyveryverylongname; router-id 51; address 10.0.0.10/24 }
                      |                    ^~~~~~~~~~~~~~~~~~~~~
                      = 1 to 15 characters, as in: ip link
                """#),
    ]
}
