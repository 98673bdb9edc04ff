// Configurations with a mistake about how sessions end at a stop, and its one message.

extension Golden {
    static let drains = [
        drain(
            "a rate without its unit", "drain { rate 500 }",
            #"""
            test.conf:3:14: error: the rate 500 has no unit
                3 | drain { rate 500 }
                  |              ^~~
                  = write 500/s
            """#),
        drain(
            "a deadline that leaves no time", "drain { deadline 10ms }",
            #"""
            test.conf:3:18: error: 10ms is out of range
                3 | drain { deadline 10ms }
                  |                  ^~~~
                  = write 200ms to 1h
            """#),
        drain(
            "HAProxy's word", "hard-stop-after 30s",
            #"""
            test.conf:3:1: error: unknown directive "hard-stop-after" at the top level
                3 | hard-stop-after 30s
                  | ^~~~~~~~~~~~~~~
                  = here it is written: drain { … }
            """#),
    ]

    private static func drain(_ title: String, _ line: String, _ messages: String) -> Golden {
        Golden(
            title, as: .anybody,
            file: """
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                \(line)
                """, messages: messages)
    }
}
