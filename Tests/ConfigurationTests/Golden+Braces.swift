// Broken configurations and the exact message each of them gets: braces that do not match.

extension Golden {
    static let braces = [
        Golden(
            "a block never closed", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883
                """#,
            messages: #"""
                test.conf:2:11: error: this block is never closed
                    2 | backend b { server s1 192.168.0.2:1883
                      |           ^
                      = add }
                """#),
        Golden(
            "a brace missing before the next block", as: .anybody,
            file: #"""
                listen m {
                    bind *:1883
                    use b

                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:10: error: this block is never closed
                    1 | listen m {
                      |          ^
                      = add }
                test.conf:5:1: note: it is still open where this block begins
                    5 | backend b { server s1 192.168.0.2:1883 }
                      | ^~~~~~~
                """#),
        Golden(
            "a brace too many", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                }
                """#,
            messages: #"""
                test.conf:3:1: error: } without a block to close
                    3 | }
                      | ^
                      = remove it, or look for a { that is missing above
                """#),
        Golden(
            "a brace on a line of its own", as: .anybody,
            file: #"""
                listen m
                { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:2:1: error: a block without a directive
                    2 | { bind *:1883; use b }
                      | ^
                      = write { on the line of its directive
                """#),
        Golden(
            "a block without a directive", as: .anybody,
            file: #"""
                { }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:1: error: a block without a directive
                    1 | { }
                      | ^
                      = write { on the line of its directive
                """#),
    ]
}
