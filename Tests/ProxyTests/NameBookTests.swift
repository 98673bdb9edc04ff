// When names are asked for, and what is kept of their answers: in virtual time.

import Configuration
import Linux
import Testing
import Wire

@testable import Proxy

@Suite("What is known of names")
struct NameBookTests {
    private static let four = IPAddress.v4(IPv4Address(10, 0, 0, 7))
    private static let other = IPAddress.v4(IPv4Address(10, 0, 0, 8))
    private static let six = IPAddress.v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1))
    private static let settings = Configuration.ResolverSettings()
    private static let silence = NameLookup.Answer(
        unanswered: [.ipv4, .ipv6], failure: .init(description: "no answer"))

    private static func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }

    @Test("each is asked for by one thread, then again after the interval, sooner after a failure")
    func turns() {
        var book = NameBook()
        book.watch(["a", "b"], Self.settings, at: Self.at(0))
        #expect(book.next(at: Self.at(0)) == .ask("a", known: [], isLast: false))
        #expect(book.next(at: Self.at(0)) == .ask("b", known: [], isLast: true))
        #expect(book.next(at: Self.at(0)) == .wait(nil))
        #expect(book.answered("a", .init(addresses: [Self.six, Self.four]), at: Self.at(10)) == true)
        #expect(book.next(at: Self.at(10)) == .wait(Self.at(30_010)))
        #expect(book.answered("b", Self.silence, at: Self.at(2000)) == true)
        #expect(book.next(at: Self.at(2000)) == .wait(Self.at(7000)))
        #expect(book.next(at: Self.at(7000)) == .ask("b", known: [], isLast: false))
        #expect(book.next(at: Self.at(30_010)) == .ask("a", known: [.ipv4, .ipv6], isLast: true))
        #expect(book.answered("a", .init(addresses: [Self.four, Self.six]), at: Self.at(30_020)) == false)
        // One that is not watched any more is nobody's; others at another server are asked for at once.
        var others = Self.settings
        others.timeout = .seconds(1)
        book.watch(["a"], others, at: Self.at(30_030))
        #expect(book.answered("b", .init(addresses: [Self.four]), at: Self.at(30_040)) == false)
        #expect(book.answers.keys.sorted() == ["a"])
        #expect(book.next(at: Self.at(30_040)) == .ask("a", known: [.ipv4, .ipv6], isLast: true))
    }

    @Test("nothing is forgotten because nobody answers, of one family either; what is said to be gone is gone")
    func families() {
        var book = NameBook()
        book.watch(["a"], Self.settings, at: Self.at(0))
        func told(_ answer: NameLookup.Answer) -> [IPAddress]? {
            _ = book.answered("a", answer, at: Self.at(1))
            return book.answers["a"]?.addresses
        }
        let half = NameLookup.Failure(description: "no answer for IPv6 addresses")
        #expect(told(.init(addresses: [Self.four], unanswered: [.ipv6], failure: half)) == [Self.four])
        #expect(told(.init(addresses: [Self.four, Self.six])) == [Self.four, Self.six])
        #expect(told(.init(addresses: [Self.other], unanswered: [.ipv6], failure: half)) == [Self.other, Self.six])
        #expect(book.answers["a"]?.failure == half.description)
        #expect(told(Self.silence) == [Self.other, Self.six])
        #expect(told(.init(failure: .init(description: "there is no such name", isFinal: true))) == [Self.other, Self.six])
        #expect(told(.init(unanswered: [.ipv4], failure: half)) == [Self.other])
        #expect(told(.init(addresses: [Self.six])) == [Self.six])
        #expect(book.answers["a"]?.failure == nil && book.answers["a"]?.failures == 5)
    }

    @Test("at most sixteen addresses are kept, the lowest, and the rest is counted")
    func many() {
        var book = NameBook()
        book.watch(["a"], Self.settings, at: Self.at(0))
        let all = (1...20).map { IPAddress.v4(IPv4Address(10, 0, 0, $0)) }
        #expect(book.answered("a", .init(addresses: all.reversed()), at: Self.at(1)) == true)
        #expect(book.answers["a"]?.addresses == Array(all.prefix(16)) && book.answers["a"]?.dropped == 4)
        #expect(book.answered("a", .init(addresses: Array(all.dropLast())), at: Self.at(2)) == false)
        #expect(book.answered("a", .init(addresses: Array(all.prefix(16))), at: Self.at(3)) == true)
        #expect(book.answers["a"]?.dropped == 0)
    }

    @Test("the wait for a name that nobody has ever answered for ends, and an inherited one is not waited for")
    func patience() {
        var book = NameBook(["known": .init(addresses: [Self.four])])
        book.watch(["known", "slow"], Self.settings, at: Self.at(100))
        #expect(!book.isComplete)
        #expect(book.giveUp(at: Self.at(2099)) == false)
        #expect(!book.isComplete)
        #expect(book.giveUp(at: Self.at(2100)) == true)
        #expect(book.isComplete)
        #expect(book.answers["slow"]?.addresses == [] && book.answers["slow"]?.failure != nil)
        #expect(book.giveUp(at: Self.at(9000)) == false)
        #expect(book.answers["known"] == .init(addresses: [Self.four]))
        #expect(book.answered("slow", .init(addresses: [Self.other]), at: Self.at(9000)) == true)
        #expect(book.answers["slow"] == .init(addresses: [Self.other]))
        // One that a reload brings has its own time.
        book.watch(["known", "slow", "later"], Self.settings, at: Self.at(10_000))
        #expect(book.giveUp(at: Self.at(11_999)) == false)
        #expect(book.giveUp(at: Self.at(12_000)) == true)
    }
}
