// Broken configurations and the exact message each of them gets: characters that are not what they look like.

extension Golden {
    static let characters = [
        Golden(
            "a full-width comma", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; backlog 10， }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:42: error: full-width comma "，" (U+FF0C)
                    1 | listen m { bind *:1883; use b; backlog 10， }
                      |                                          ^~
                      = write the ASCII comma: ,
                """#),
        Golden(
            "a full-width space", as: .anybody,
            file: #"""
                listen m { bind *:1883; use b; backlog　10 }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:39: error: full-width space (U+3000)
                    1 | listen m { bind *:1883; use b; backlog　10 }
                      |                                       ^~
                      = write an ordinary space
                """#),
        Golden(
            "typographic quotation marks", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret “/k” }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:3:15: error: typographic quotation mark "“" (U+201C)
                    3 | pair { secret “/k” }
                      |               ^
                      = write the ASCII quotation mark: "
                """#),
        Golden(
            "a quotation mark that is not closed", as: .node("lb1"),
            file: #"""
                node lb1 { address 10.0.0.11; priority 150 }
                node lb2 { address 10.0.0.12 }
                pair { secret "/k }
                listen m { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:3:15: error: the quotation mark is not closed on this line
                    3 | pair { secret "/k }
                      |               ^
                      = end the word with "
                """#),
        Golden(
            "a control character", as: .anybody,
            file: #"""
                listen m\#u{1} { bind *:1883; use b }
                backend b { server s1 192.168.0.2:1883 }
                """#,
            messages: #"""
                test.conf:1:9: error: control character 1 in a word
                    1 | listen m� { bind *:1883; use b }
                      |         ^
                      = remove it
                """#),
    ]
}
