// Broken configurations and the exact message each of them gets: what a virtual router tracks.

extension Golden {
    /// A pair with one virtual router, in which `router` is written, and `rest` at the top level.
    private static func tracking(_ title: String, _ router: String, rest: String = "", messages: String) -> Golden {
        Golden(
            title, as: .node("lb1"),
            file: """
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret /k }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                \(rest)
                vrrp v { interface eth0; router-id 51; address 10.0.0.10/24
                  \(router)
                }
                """, messages: messages)
    }

    static let tracks = [
        tracking(
            "a kind that is not tracked", "track process nginx",
            messages: #"""
                test.conf:8:3: error: unknown directive "track process" in vrrp
                    8 |   track process nginx
                      |   ^~~~~~~~~~~~~
                      = there is: track interface INTERFACE [weight N] [up DURATION] [down DURATION]; track servers BACKEND [at-least N] [weight N]; track file FILE [weight N]; track script SCRIPT [weight N]
                """#),
        tracking(
            "tracking nothing", "track",
            messages: #"""
                test.conf:8:8: error: track of what?
                    8 |   track
                      |        ^
                      = write: track interface INTERFACE [weight N] [up DURATION] [down DURATION]; track servers BACKEND [at-least N] [weight N]; track file FILE [weight N]; track script SCRIPT [weight N]
                """#),
        tracking(
            "a backend that is not there", "track servers c",
            messages: #"""
                test.conf:8:17: error: no backend is called "c"
                    8 |   track servers c
                      |                 ^
                      = did you mean "b"?
                """#),
        tracking(
            "more servers than there are", "track servers b at-least 2",
            messages: #"""
                test.conf:8:28: error: b has 1 server, and 2 must be usable
                    8 |   track servers b at-least 2
                      |                            ^
                      = write at-least 1 or less
                """#),
        tracking(
            "servers tracked twice", "track servers b; track servers b weight 5",
            messages: #"""
                test.conf:8:34: error: the servers of b are tracked twice
                    8 |   track servers b; track servers b weight 5
                      |                                  ^
                      = leave one of them out
                test.conf:8:17: note: it is tracked here already
                    8 |   track servers b; track servers b weight 5
                      |                 ^
                """#),
        tracking(
            "a file twice", "track file /f; track file /f weight 1",
            messages: #"""
                test.conf:8:29: error: /f is tracked twice
                    8 |   track file /f; track file /f weight 1
                      |                             ^~
                      = leave one of them out
                test.conf:8:14: note: it is tracked here already
                    8 |   track file /f; track file /f weight 1
                      |              ^~
                """#),
        tracking(
            "a file by a relative name", "track file drain",
            messages: #"""
                test.conf:8:14: error: "drain" is not an absolute path
                    8 |   track file drain
                      |              ^~~~~
                      = begin it with /
                """#),
        tracking(
            "a script that is not there", "track script uplink",
            messages: #"""
                test.conf:8:16: error: no script is called "uplink"
                    8 |   track script uplink
                      |                ^~~~~~
                      = add: script uplink { … }
                """#),
        tracking(
            "a weight beyond the range", "track interface eth1 weight -254",
            messages: #"""
                test.conf:8:31: error: -254 is out of range
                    8 |   track interface eth1 weight -254
                      |                               ^~~~
                      = write -253 to 253
                """#),
        tracking(
            "a weight that is no number", "track interface eth1 weight -",
            messages: #"""
                test.conf:8:31: error: "-" is not a whole number
                    8 |   track interface eth1 weight -
                      |                               ^
                      = write -253 to 253
                """#),
        tracking(
            "an unknown option", "track interface eth1 wieght 5",
            messages: #"""
                test.conf:8:24: error: unknown option "wieght" of track interface
                    8 |   track interface eth1 wieght 5
                      |                        ^~~~~~
                      = did you mean "weight"?
                """#),
        tracking(
            "a delay without a unit", "track interface eth1 up 2",
            messages: #"""
                test.conf:8:27: error: the duration 2 has no unit
                    8 |   track interface eth1 up 2
                      |                           ^
                      = write 2ms or 2s
                """#),
        tracking(
            "an interface twice", "track interface eth1; track interface eth1",
            messages: #"""
                test.conf:8:41: error: eth1 is tracked twice
                    8 |   track interface eth1; track interface eth1
                      |                                         ^~~~
                      = leave one of them out
                test.conf:8:19: note: it is tracked here already
                    8 |   track interface eth1; track interface eth1
                      |                   ^~~~
                """#),
        tracking(
            "no weight at all", "without-servers weight 0",
            messages: #"""
                test.conf:8:26: error: 0 is refused: it changes nothing; write: without-servers ignored
                    8 |   without-servers weight 0
                      |                          ^
                """#),
        tracking(
            "an unknown meaning", "without-servers ignore",
            messages: #"""
                test.conf:8:19: error: without-servers knows no "ignore"
                    8 |   without-servers ignore
                      |                   ^~~~~~
                      = did you mean "ignored"?
                """#),
        tracking(
            "a witness of the pair", "witness 10.0.0.12",
            messages: #"""
                test.conf:8:11: error: 10.0.0.12 is an address of this pair
                    8 |   witness 10.0.0.12
                      |           ^~~~~~~~~
                      = a witness is somebody else, such as the gateway
                """#),
        tracking(
            "the virtual address as witness", "witness 10.0.0.10 required",
            messages: #"""
                test.conf:8:11: error: 10.0.0.10 is an address of this pair
                    8 |   witness 10.0.0.10 required
                      |           ^~~~~~~~~
                      = a witness is somebody else, such as the gateway
                """#),
        tracking(
            "a witness of the other family", "witness fd00::1",
            messages: #"""
                test.conf:8:11: error: the witness has an IPv6 address
                    8 |   witness fd00::1
                      |           ^~~~~~~
                      = it must be of the family of the virtual address, whose link it is to witness
                """#),
        tracking(
            "a witness that is no address", "witness gateway",
            messages: #"""
                test.conf:8:11: error: "gateway" is not an IP address
                    8 |   witness gateway
                      |           ^~~~~~~
                      = write an address such as 10.0.0.11 or 2001:db8::11; names are not looked up
                """#),
        tracking(
            "a probe too often", "duplicate-probe 1ms",
            messages: #"""
                test.conf:8:19: error: 1ms is out of range
                    8 |   duplicate-probe 1ms
                      |                   ^~~
                      = write 100ms to 1h
                """#),
        tracking(
            "a link that settles for ever", "settle forever",
            messages: #"""
                test.conf:8:10: error: "forever" is not a duration
                    8 |   settle forever
                      |          ^~~~~~~
                      = write 0s to 1h; units: us ms s m h d
                """#),
        tracking(
            "a script without a command", "track script s", rest: "script s { every 1s }",
            messages: #"""
                test.conf:6:1: error: this script has no command
                    6 | script s { every 1s }
                      | ^~~~~~~~
                      = add: command FILE
                """#),
        tracking(
            "a script by a relative name", "track script s", rest: "script s { command check.sh }",
            messages: #"""
                test.conf:6:20: error: "check.sh" is not an absolute path
                    6 | script s { command check.sh }
                      |                    ^~~~~~~~
                      = begin it with /
                """#),
        tracking(
            "a script with its command twice", "track script s", rest: "script s { command /bin/true; command /bin/false }",
            messages: #"""
                test.conf:6:31: error: command is written twice
                    6 | script s { command /bin/true; command /bin/false }
                      |                               ^~~~~~~~~~~~~~~~~~
                test.conf:6:12: note: it was written here already
                    6 | script s { command /bin/true; command /bin/false }
                      |            ^~~~~~~~~~~~~~~~~
                """#),
        tracking(
            "a script with a rise of nothing", "track script s", rest: "script s { command /bin/true; rise 0 }",
            messages: #"""
                test.conf:6:36: error: 0 is out of range
                    6 | script s { command /bin/true; rise 0 }
                      |                                    ^
                      = write 1 to 100
                """#),
        tracking(
            "a script of nobody in particular", "track script s", rest: "script s { command /bin/true; user }",
            messages: #"""
                test.conf:6:35: error: user lacks NAME
                    6 | script s { command /bin/true; user }
                      |                                   ^
                      = write: user NAME
                """#),
    ]
}
