// Mistakes in the options of virtual addresses, in announcements and hooks.

extension Golden {
    /// Labels, lifetimes, unclaimed and unadvertised addresses, hooks.
    static let routerAddresses = [
        Golden(
            "a label for IPv6", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address fd00::10/64 unadvertised label eth0:v }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:101: error: IPv6 addresses have no label
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address fd00::10/64 unadvertised label eth0:v }
                      |                                                                                                     ^~~~~~
                      = leave it out
                """#),
        Golden(
            "a label that names another interface", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 label vip }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:67: error: the label vip does not begin with its interface
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 label vip }
                      |                                                                   ^~~
                      = write it as in eth0:vip
                """#),
        Golden(
            "a label that forgets the address's own interface", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 dev eth1 label eth0:vip }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:76: error: the label eth0:vip does not begin with its interface
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 dev eth1 label eth0:vip }
                      |                                                                            ^~~~~~~~
                      = write it as in eth1:vip
                """#),
        Golden(
            "a preferred lifetime for IPv4", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 preferred-lifetime 0s }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:80: error: IPv4 chooses its sources without a preferred lifetime
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 preferred-lifetime 0s }
                      |                                                                                ^~
                      = leave it out
                """#),
        Golden(
            "a preferred lifetime longer than the address lives", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address fd00::1/64 preferred-lifetime 1h }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:78: error: 1h is out of range
                    4 | vrrp v { interface eth0; router-id 51; address fd00::1/64 preferred-lifetime 1h }
                      |                                                                              ^~
                      = write 0s to 4s
                """#),
        Golden(
            "an unclaimed address on an interface", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 unclaimed dev eth1; hook after-claim /x }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:75: error: an unclaimed address is on no interface
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 unclaimed dev eth1; hook after-claim /x }
                      |                                                                           ^~~~
                      = leave out dev or unclaimed
                """#),
        Golden(
            "only addresses that are not named in adverts", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 unadvertised }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:40: error: no address is named in adverts
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 unadvertised }
                      |                                        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = write one without unadvertised: adverts carry one address at least (RFC 9568, 5.2.5)
                """#),
        Golden(
            "an option of an address that is none", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 device eth1 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:61: error: unknown option "device" of address
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24 device eth1 }
                      |                                                             ^~~~~~
                      = write: address ADDRESS/LENGTH [dev INTERFACE] [label LABEL] [preferred-lifetime DURATION] [unadvertised] [unclaimed]
                """#),
        Golden(
            "a hook for keepalived's event", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook notify_master /x }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:67: error: hook knows no "notify_master"
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook notify_master /x }
                      |                                                                   ^~~~~~~~~~~~~
                      = did you mean "after-claim"?
                """#),
        Golden(
            "a hook that is no absolute path", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook after-claim move-ip }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:79: error: "move-ip" is not an absolute path
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook after-claim move-ip }
                      |                                                                               ^~~~~~~
                      = begin it with /
                """#),
        Golden(
            "a hook that may take too long", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook after-claim /x timeout 5m }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:90: error: 5m is out of range
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook after-claim /x timeout 5m }
                      |                                                                                          ^~
                      = write 100ms to 1m
                """#),
        Golden(
            "more announcements than are good", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; announce repeat 100 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:78: error: 100 is out of range
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; announce repeat 100 }
                      |                                                                              ^~~
                      = write 1 to 20
                """#),
        Golden(
            "an address nobody claims and nobody names", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address 10.0.0.99/24 unclaimed unadvertised }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:62: error: 10.0.0.99 is neither claimed nor named in adverts
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; address 10.0.0.99/24 unclaimed unadvertised }
                      |                                                              ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = leave out unadvertised, unclaimed, or the address
                """#),
        Golden(
            "keepalived's word for a hook", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; notify_backup /x }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:62: error: unknown directive "notify_backup" in vrrp
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; notify_backup /x }
                      |                                                              ^~~~~~~~~~~~~
                      = here it is written: hook (after-claim | before-release | after-release | reclaimed | role-change) FILE [timeout DURATION] [user NAME]
                """#),
        Golden(
            "keepalived's word for announcements", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; garp_master_refresh 60 }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:62: error: unknown directive "garp_master_refresh" in vrrp
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; garp_master_refresh 60 }
                      |                                                              ^~~~~~~~~~~~~~~~~~~
                      = here it is written: announce [repeat N] [refresh DURATION]
                """#),
        Golden(
            "a hook written twice", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook reclaimed /x; hook reclaimed /x timeout 1s }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:81: error: this hook is written twice
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook reclaimed /x; hook reclaimed /x timeout 1s }
                      |                                                                                 ^~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = leave one of them out
                test.conf:4:62: note: it was written here already
                    4 | vrrp v { interface eth0; router-id 51; address 10.0.0.10/24; hook reclaimed /x; hook reclaimed /x timeout 1s }
                      |                                                              ^~~~~~~~~~~~~~~~~
                """#),
        Golden(
            "a real-time priority the kernel does not have", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                realtime-priority 100
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:19: error: 100 is out of range
                    4 | realtime-priority 100
                      |                   ^~~
                      = write 1 to 99
                """#),
    ]

    /// A block with so many addresses, one in each line from the fifth on.
    private static func crowded(_ addresses: [String]) -> String {
        let head = """
            node lb1 { address 192.168.0.11; address fd00::11; priority 150 }
            node lb2 { address 192.168.0.12; address fd00::12 }
            pair { secret /k }
            vrrp v { interface eth0; router-id 51

            """
        let tail = """
            }
            listen m { bind *:1883; use b }
            backend b { server s1 192.168.0.2:1883 }
            """
        return head + addresses.map { "address \($0)\n" }.joined() + tail
    }

    /// More addresses than an advert counts: in one octet.
    static let crowds = [
        Golden(
            "an address more than an advert can name", as: .node("lb1"),
            file: crowded((0..<256).map { "10.1.\($0 / 200).\($0 % 200 + 1)/16" }),
            messages: #"""
                test.conf:260:1: error: more than 255 IPv4 addresses in one advert
                  260 | address 10.1.1.56/16
                      | ^~~~~~~~~~~~~~~~~~~~
                      = write unadvertised behind it, or move it to another vrrp block
                """#),
    ]

    /// What is allowed and hardly meant.
    static let routerAddressWarnings = [
        Golden(
            "adverts that are longer than a packet", as: .node("lb1"),
            file: crowded((1...90).map { "fd00::1:\($0)/64" }),
            messages: #"""
                test.conf:94:1: warning: adverts with 90 IPv6 addresses have 1516 bytes: a link of 1500 carries them in pieces
                   94 | address fd00::1:90/64
                      | ^~~~~~~~~~~~~~~~~~~~~
                      = write unadvertised behind some addresses, or move them to another vrrp block
                """#),
        Golden(
            "an unclaimed address that nobody moves", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                vrrp v { interface eth0; router-id 51; address 192.0.2.10/32 unclaimed }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:4:40: warning: nobody moves the unclaimed address 192.0.2.10
                    4 | vrrp v { interface eth0; router-id 51; address 192.0.2.10/32 unclaimed }
                      |                                        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                      = add: hook after-claim FILE
                """#),
    ]
}
