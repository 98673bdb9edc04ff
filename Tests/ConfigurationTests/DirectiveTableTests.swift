// The directive table holds together: what it says about a directive is what the reader does.

import Testing
import Wire

@testable import Configuration

@Suite("The directive table")
struct DirectiveTableTests {
    @Test func `names each directive once in its context`() {
        #expect(Set(Directive.all).count == Directive.all.count)
        for context in Context.allCases {
            let words = Directive.all(in: context).filter { $0.nameWords.count == 1 }.map(\.name)
            for directive in Directive.all(in: context) where directive.nameWords.count == 2 {
                #expect(!words.contains(String(directive.nameWords[0])), "\(directive.name) is ambiguous")
            }
        }
    }

    @Test func `opens every kind of block exactly once`() {
        for context in Context.allCases where context != .top {
            #expect(Directive.all.count { $0.opens == context } == 1)
        }
    }

    @Test func `tells the defaults that really hold`() throws {
        let configuration = try Files.good(
            """
            node a { address 10.0.0.11 }
            node b { address 10.0.0.12; priority 101 }
            pair { secret /k }
            vrrp v { interface eth0; router-id 1; address 10.0.0.10/24 }
            listen m { bind *:1883; use b }
            backend b { server s 192.168.0.2:1883 }
            stick-table t { }
            """, as: Files.lb1)
        for block in configuration.blocks where block.name != "b" || block.context == .backend {
            for setting in block.settings where !setting.directive.presence.isRequired {
                let expected = setting.directive.defaultText.map { [$0] } ?? []
                #expect(setting.arguments == expected, "\(setting.directive.name) \(block.context.text)")
            }
        }
    }

    @Test func `tells the defaults of options that really hold`() throws {
        let text = "listen m { bind *:1883; use b }\nbackend b { server s 192.168.0.2:1883; check mqtt }\n"
        let plain = try Files.good(text)
        let options = Directive.checkOptions.compactMap { option in
            option.defaultText.map { "\(option.keyword) \($0)" }
        }
        let written = text.replacing("check mqtt", with: "check mqtt " + options.joined(separator: " "))
        #expect(try Files.good(written) == plain)
        #expect(Directive.server.syntax.options.first?.defaultText == "\(plain.backends[0].servers[0].weight)")
    }

    @Test func `has a sentence for everything`() {
        for directive in Directive.all {
            #expect(directive.meaning.hasSuffix("."))
            #expect(directive.explanation.contains(directive.meaning))
            #expect(Directive.overview.contains(directive.meaning))
        }
    }

    @Test func `translates no word that is a directive`() {
        let first = Set(Directive.all.map { String($0.nameWords[0]) })
        let names = Set(Directive.all.map(\.name))
        for word in ForeignWords.withoutCounterpart.keys { #expect(!first.contains(word)) }
        for directive in Directive.all {
            for word in directive.foreign { #expect(!names.contains(word), "\(word)") }
        }
    }

    @Test func `is asked by full name, first word, block and foreign word`() {
        #expect(Directive.matching(["timeout", "idle"]) == [.timeoutIdle])
        #expect(Directive.matching(["timeout"]).count == 8)
        #expect(Directive.matching(["backend", "timeout", "connect"]) == [.timeoutConnect])
        #expect(Directive.matching(["advert_int"]) == [.advertInterval])
        #expect(Directive.matching(["priority"]) == [.nodePriority, .routerPriority])
        #expect(Directive.matching(["nothing"]).isEmpty)
        #expect(Directive.suggestion(for: "interfase") == "interface")
    }

    @Test func `explains a directive`() {
        #expect(
            Directive.advertInterval.explanation == """
                advert-interval DURATION    in vrrp
                  How often the active node says that it is alive; three of them missed, the other takes over.
                  DURATION: 10ms to 40.95s; us, ms, s, m, h, d; in steps of 10ms
                  at most once; default: 100ms
                  reload: applied in place
                  elsewhere: advert_int

                """)
    }
}
