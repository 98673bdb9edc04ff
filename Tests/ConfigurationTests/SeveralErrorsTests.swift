// Several mistakes in one file: each gets its message in one run, and a long list ends.

import Testing
import Wire

@testable import Configuration

@Suite("A configuration with several mistakes")
struct SeveralErrorsTests {
    private func messages(_ text: String, as host: Host = Host()) -> [String] {
        Checker.check(Source(name: "test.conf", text: text), as: host).diagnostics.map(\.message)
    }

    @Test func `reports all of them at once, in the order of the file`() {
        let text = """
            node lb1 { address 10.0.0.11; priority 255 }
            node lb2 { address 10.0.0.11 }
            pair { port 99999 }
            vrrp mqtt {
                interface eth0
                rooter-id 51
                address 10.0.0.10/33
                advert-interval 100
            }
            listen mqtt { bind *:1883; use emxq; timeout idle 60 }
            backend emqx {
                server emqx1 192.168.0.2：1883
                server emqx2 192.168.0.3:1883 wieght 2
                stick on client-id table sesions
            }
            stick-table sessions { replicate }
            """
        #expect(
            messages(text, as: Files.lb1) == [
                "255 is refused: it is for a router that owns the address (RFC 9568, 6.1), and here two hosts share it",
                "two nodes have the address 10.0.0.11",
                "this pair has no secret",
                "99999 is out of range",
                "unknown directive \"rooter-id\" in vrrp",
                "\"10.0.0.10/33\" has a wrong prefix length",
                "the duration 100 has no unit",
                "no backend is called \"emxq\"",
                "the duration 60 has no unit",
                "full-width colon \"：\" (U+FF1A)",
                "unknown option \"wieght\" of server",
                "no stick-table is called \"sesions\"",
            ])
    }

    @Test func `says one thing about one mistake whose effects are many`() {
        // The misspelt block would leave a name undefined and a listener without its backend.
        #expect(
            messages("listen m { bind *:1883; use b }\nbackend b/ { server s1 192.168.0.2:1883 }\n") == [
                "\"b/\" is not a name"
            ])
        #expect(
            messages("listen m { bind *:1883; use b }\nbackand b { server s1 192.168.0.2:1883; frob }\n") == [
                "unknown directive \"backand\" at the top level"
            ])
        #expect(
            messages("listen m { bind *:1883; use b }\nbackend b { server s1 192.168.0.2 }\n") == [
                "\"192.168.0.2\" has no port"
            ])
    }

    @Test func `finds mistakes inside a block whose name is wrong`() {
        #expect(
            messages("listen { bind *:1883; backlog 0 }\n") == [
                "this listen has no use", "listen lacks NAME", "0 is out of range",
            ])
    }

    @Test func `ends the list and says how much is missing`() {
        let text = String(repeating: "frobnicate\n", count: 250)
        let outcome = Checker.check(Source(name: "test.conf", text: text), as: Host())
        #expect(outcome.diagnostics.count == SourceLimits.diagnostics + 1)
        #expect(outcome.diagnostics.last?.message == "150 more messages are not shown")
    }

    @Test func `a file too long, too deep or too full is refused as such`() {
        let long = String(repeating: "#", count: SourceLimits.fileBytes + 1)
        #expect(messages(long) == ["the file has 1048577 bytes"])
        let deep = String(repeating: "a { ", count: 5000)
        #expect(messages(deep) == ["blocks are nested more than 8 deep"])
        let full = String(repeating: "a\n", count: SourceLimits.directives + 5)
        #expect(messages(full) == ["the configuration has more than 20000 directives"])
        let wide = "loops" + String(repeating: " 1", count: SourceLimits.words) + "\n"
        #expect(
            messages(wide + "listen m { bind *:1883; use b }\nbackend b { server s 10.9.9.9:1883 }") == [
                "a directive has more than 64 words"
            ])
    }

    @Test func `files that include one another are a cycle with two places`() {
        let main = Source(name: "a", text: "include b\n")
        let outcome = Checker.check(main, as: Host()) { path throws(IncludeFailure) in
            Array((path == "b" ? "include c\n" : "\n include b\n").utf8)
        }
        #expect(
            outcome.text == """
                c:2:10: error: b includes itself
                    2 |  include b
                      |          ^
                b:1:9: note: it led here from this include
                    1 | include c
                      |         ^

                """)
    }

    @Test func `includes are bounded in depth`() {
        var count = 0
        let outcome = Checker.check(Source(name: "0", text: "include 1\n"), as: Host()) {
            path throws(IncludeFailure) in
            count += 1
            return Array("include \(path)1\n".utf8)
        }
        #expect(outcome.diagnostics.map(\.message) == ["files include one another more than 8 deep"])
        #expect(count == SourceLimits.includeDepth - 1)
    }

    @Test func `two server names of one identity are found`() {
        #expect(CrossCheck.collision(["a", "b", "a"], hash: stableHash) == nil)
        let collision = CrossCheck.collision(["a", "bb", "cc"]) { UInt64($0.utf8.count) }
        #expect(collision?.0 == 1)
        #expect(collision?.1 == 2)
    }
}
