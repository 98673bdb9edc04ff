// Version 1: which lines are headers, what they say, and how they are written.

import ProxyProtocol
import Testing
import Wire

@Suite("PROXY version 1")
struct LineTests {
    @Test(
        "lines that are headers",
        arguments: [
            ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443", "192.168.0.1", 56324, "192.168.0.11", 443),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", "255.255.255.255", 65535, "255.255.255.255",
                65535
            ),
            ("PROXY TCP4 0.0.0.0 1.2.3.4 0 0", "0.0.0.0", 0, "1.2.3.4", 0),
            ("PROXY TCP6 2001:db8::1 ::1 1 1883", "2001:db8::1", 1, "::1", 1883),
            ("PROXY TCP6 2001:DB8::A ::ffff:192.0.2.1 1 1883", "2001:db8::a", 1, "::ffff:192.0.2.1", 1883),
            (
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 65535
            ),
        ] as [(String, String, UInt16, String, UInt16)])
    func valid(_ line: String, _ source: String, _ port: UInt16, _ destination: String, _ own: UInt16) throws {
        let bytes = Array((line + "\r\n").utf8)
        let header = try header(in: bytes)
        #expect(header.version == .v1 && !header.isLocal && header.length == bytes.count)
        #expect(
            header.endpoints == .internet(source: try socket(source, port), destination: try socket(destination, own)))
        #expect(header.client == (try socket(source, port)))
    }

    @Test(
        "a sender that does not know",
        arguments: [
            "PROXY UNKNOWN\r\n", "PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY UNKNOWN \n what ever  \r\n",
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        ])
    func unknown(_ line: String) throws {
        let header = try header(in: Array(line.utf8))
        #expect(header.endpoints == .connection && header.client == nil && !header.isLocal)
    }

    @Test(
        "lines that are none",
        arguments: [
            ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", .line), ("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", .line),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", .line), ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", .line),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", .line), ("PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n", .line),
            ("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", .line), ("PROXY UNKNOWNX 1 2\r\n", .line),
            ("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", .line), ("PROXY           \r\n", .line),
            ("PROXY TCP4 1.2.3.4 ::1 1 2\r\n", .address), ("PROXY TCP6 1.2.3.4 ::1 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", .address), ("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", .address), ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", .address),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", .port), ("PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", .port), ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", .port),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", .port), ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n", .port),
            ("PROXY\r\n", .notProxy), ("PROXX", .notProxy), ("GET / HTTP/1.1\r\n", .notProxy), ("PUT", .notProxy),
        ] as [(String, ProxyViolation)])
    func invalid(_ line: String, _ violation: ProxyViolation) {
        #expect(readAnyCut(Array(line.utf8)) == .failure(violation))
    }

    @Test func `A line has 107 bytes at most`() {
        let longest = Array(("PROXY UNKNOWN " + String(repeating: "x", count: 91) + "\r\n").utf8)
        #expect(longest.count == 107)
        #expect(throws: Never.self) { try header(in: longest) }
        let longer = Array(("PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n").utf8)
        #expect(readAnyCut(longer) == .failure(.lineTooLong))
        // Refused as soon as the end cannot come in time any more.
        #expect(read(longer, first: 105) == .success(.needMore(atLeast: 107)))
        #expect(read(longer, first: 106) == .failure(.lineTooLong))
    }

    @Test(
        "what is written is read",
        arguments: [
            ("192.0.2.1", "192.0.2.2", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883\r\n"),
            ("2001:db8::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 56324 1883\r\n"),
            ("192.0.2.1", "2001:db8::2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 56324 1883\r\n"),
        ])
    func written(_ source: String, _ destination: String, _ line: String) throws {
        let from = try socket(source, 56324)
        let bytes = ProxyHeaderDraft(.internet(source: from, destination: try socket(destination, 1883))).encodeV1()
        #expect(String(decoding: bytes, as: UTF8.self) == line)
        #expect(try header(in: bytes).client == from)
    }

    @Test func `What has no addresses is unknown`() throws {
        let unknown = Array("PROXY UNKNOWN\r\n".utf8)
        #expect(ProxyHeaderDraft(.local).encodeV1() == unknown)
        #expect(ProxyHeaderDraft(.unknown).encodeV1() == unknown)
        #expect(ProxyHeaderDraft(.unix(source: [1], destination: [])).encodeV1() == unknown)
    }
}
