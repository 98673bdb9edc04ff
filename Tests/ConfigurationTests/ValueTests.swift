// Values as they are written: what is one, what is none, and that writing and reading agree.

import Testing
import Wire

@testable import Configuration

@Suite("A value")
struct ValueTests {
    private static let durations = ValueKind.duration(.zero ... .seconds(400 * 86400), step: .microseconds(1))

    @Test(arguments: [
        ("100ms", 100_000_000), ("1m30s", 90_000_000_000), ("40.95s", 40_950_000_000), ("250us", 250_000),
        ("1d2h3m4s5ms", 93_784_005_000_000), ("0s", 0), ("1.5m", 90_000_000_000),
    ])
    func `that is a duration`(_ text: String, _ nanoseconds: Int64) throws {
        #expect(try Self.durations.parse(text) == .duration(.nanoseconds(nanoseconds)))
        #expect(
            try Self.durations.parse(Duration.nanoseconds(nanoseconds).text) == .duration(.nanoseconds(nanoseconds)))
    }

    @Test(arguments: [
        "", "s", "1", "-1s", "+1s", "1 s", "1ns", "1S", "30s1m", "1s1s", ".5s", "1.s", "1.1234567s", "1e3s",
        "9223372036854775807d", "999999999999999999s", "٣s", "1..5s",
    ])
    func `that is no duration`(_ text: String) {
        #expect(throws: Refusal.self) { try Self.durations.parse(text) }
    }

    @Test(arguments: [("64B", 64), ("64KiB", 65536), ("1MiB", 1_048_576), ("1000B", 1000)])
    func `that is a size`(_ text: String, _ bytes: Int) throws {
        #expect(try ValueKind.size(1...1_048_576).parse(text) == .integer(bytes))
        #expect(SizeText.text(bytes) == text)
    }

    @Test(arguments: ["", "64", "64kb", "KiB", "-1B", "1.5MiB", "2MiB", "999999999999999999MiB"])
    func `that is no size`(_ text: String) {
        #expect(throws: Refusal.self) { try ValueKind.size(1...1_048_576).parse(text) }
    }

    @Test(arguments: [("7", 7), ("1K", 1024), ("2k", 2048), ("1M", 1_048_576)])
    func `that is a count`(_ text: String, _ count: Int) throws {
        #expect(try ValueKind.count(1...2_000_000).parse(text) == .integer(count))
        #expect(try ValueKind.count(1...2_000_000).parse(CountText.text(count)) == .integer(count))
    }

    @Test(arguments: ["", "M", "0", "3M", "-1", "1.5M", "999999999999999999G"])
    func `that is no count`(_ text: String) {
        #expect(throws: Refusal.self) { try ValueKind.count(1...2_000_000).parse(text) }
    }

    @Test func `keeps its quotes where it needs them`() {
        #expect(written("/run/a") == "/run/a")
        #expect(written("/run/a b\"\\") == "\"/run/a b\\\"\\\\\"")
        #expect(written("") == "\"\"")
    }

    @Test func `takes over as RFC 9568 computes it`() {
        var router = Configuration.VirtualRouterSettings(
            name: "v", interface: "eth0", routerID: 1, addresses: [], priority: 100)
        #expect(router.downInterval(priority: 100) == .microseconds(360_937.5))
        #expect(router.skew(priority: 254) == .microseconds(781.25))
        router.advertInterval = .seconds(1)
        #expect(router.downInterval(priority: 128) == .milliseconds(3500))
    }
}
