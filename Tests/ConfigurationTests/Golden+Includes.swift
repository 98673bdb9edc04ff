// Broken configurations and the exact message each of them gets: files that cannot be included.

extension Golden {
    static let includes = [
        Golden(
            "a file that is not there", as: .anybody,
            file: #"""
                include more.conf
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:9: error: cannot read more.conf: No such file or directory
                    1 | include more.conf
                      |         ^~~~~~~~~
                """#),
        Golden(
            "a pattern", as: .anybody,
            file: #"""
                include conf.d/*.conf
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:9: error: include takes a file name, not a pattern
                    1 | include conf.d/*.conf
                      |         ^~~~~~~~~~~~~
                      = write one include for each file
                """#),
        Golden(
            "a file that includes itself", as: .anybody,
            file: #"""
                include test.conf
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:9: error: test.conf includes itself
                    1 | include test.conf
                      |         ^~~~~~~~~
                """#),
        Golden(
            "a file inside a block", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; include more.conf }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:32: error: unknown directive "include" in listen
                    1 | listen m { bind *:1883; use b; include more.conf }
                      |                                ^~~~~~~
                      = include stands at the top level
                """#),
    ]
}
