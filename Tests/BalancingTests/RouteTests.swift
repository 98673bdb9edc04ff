// Which backend a client goes to: patterns, the first rule that fits, and shares that stay.

import Testing
import Wire

@testable import Balancing

@Suite("Routes")
struct RouteTests {
    private static let address = SocketAddress(.v4(IPv4Address(192, 0, 2, 10)), port: 40_000)

    private func fits(_ pattern: Pattern, _ text: String) -> Bool { pattern.matches(id(text).span) }

    @Test("a star stands for any bytes", arguments: [
        ("abc", "abc", true), ("abc", "abd", false), ("abc", "ab", false), ("ab", "abc", false), ("*", "", true),
        ("*", "x", true), ("", "", true), ("", "x", false), ("a*", "a", true), ("a*", "ba", false),
        ("*.io", "emqx.io", true), ("*.io", "emqx.io.org", false), ("a*b*c", "aXXbYYbZc", true),
        ("a*b*c", "aXXc", false), ("**a", "bba", true), ("*ab", "aab", true), ("*aab*", "aaab", true),
    ])
    func patterns(pattern: String, text: String, fits: Bool) {
        #expect(self.fits(Pattern(pattern), text) == fits)
    }

    @Test func caseOfHostNames() {
        #expect(fits(Pattern("*.EMQX.io", ignoresCase: true), "mqtt.emqx.IO"))
        #expect(!fits(Pattern("*.EMQX.io"), "mqtt.emqx.IO"))
    }

    @Test("a pattern of many stars costs no more than its length times the text's")
    func hostile() {
        let pattern = Pattern(String(repeating: "*a", count: 100) + "b")
        #expect(!fits(pattern, String(repeating: "a", count: 20_000)))
    }

    @Test func theFirstRuleThatFits() {
        let table = RouteTable(
            [
                .init(.serverName(Pattern("*.factory.example", ignoresCase: true)), backend: 1),
                .init(.username(Pattern("fleet-*")), backend: 2), .init(.clientIDPrefix(id("probe/")), backend: 3),
                .init(.certificateName(Pattern("gw-*")), backend: 4),
            ], otherwise: 9)
        func backend(_ client: String, user: String = "", sni: String? = nil, cn: String? = nil) -> UInt32 {
            table.backend(
                clientID: id(client).span, username: id(user), serverName: sni, certificateName: cn,
                address: Self.address)
        }
        #expect(backend("x") == 9)
        #expect(backend("probe/1", user: "fleet-7", sni: "a.FACTORY.example") == 1)
        #expect(backend("probe/1", user: "fleet-7") == 2)
        #expect(backend("probe/1", user: "other", sni: "factory.example") == 3)
        #expect(backend("probe", cn: "gw-1") == 4)
        #expect(backend("probe") == 9)
    }

    @Test("percentages follow one another and keep their clients")
    func shares() {
        let table = RouteTable([.init(.share(2000), backend: 1), .init(.share(3000), backend: 2)], otherwise: 3)
        var counts = [0, 0, 0, 0]
        for number in 0..<20_000 {
            let client = id("client-\(number)")
            let backend = table.backend(clientID: client.span, address: Self.address)
            counts[Int(backend)] += 1
            // Another rule before them, and another address, move nobody.
            let other = RouteTable([.init(.share(2000), backend: 1)], otherwise: 3)
            let again = other.backend(
                clientID: client.span, address: SocketAddress(.v4(IPv4Address(10, 0, 0, 1)), port: 1))
            #expect((again == 1) == (backend == 1))
        }
        #expect((3_700...4_300).contains(counts[1]), "\(counts)")
        #expect((5_600...6_400).contains(counts[2]), "\(counts)")
        #expect((9_500...10_500).contains(counts[3]), "\(counts)")
    }

    @Test("an empty client ID is placed by its address")
    func empty() {
        let table = RouteTable([.init(.share(5000), backend: 1)], otherwise: 2)
        var seen: Set<UInt32> = []
        for last in UInt8.min...UInt8.max {
            let address = SocketAddress(.v4(IPv4Address(192, 0, 2, last)), port: UInt16(last) + 1)
            let nobody: [UInt8] = []
            let one = table.backend(clientID: nobody.span, address: address)
            let again = table.backend(clientID: nobody.span, address: SocketAddress(address.address, port: 9))
            #expect(one == again)
            seen.insert(one)
        }
        #expect(seen == [1, 2])
    }
}
