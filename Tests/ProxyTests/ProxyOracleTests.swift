// The same PROXY headers to haproxy, to nginx and to us: who takes which.

import Configuration
import Linux
import ProxyProtocol
import Testing
import Wire

@testable import Proxy

@Suite("Generated PROXY headers, judged by others too", .serialized)
struct ProxyOracleTests {
    private static let payload = id("hello behind the header")
    /// Other seeds find other headers; these are the same ones every time.
    private static func headers(_ count: Int) -> [GeneratedHeader] {
        var random = SeededGenerator(seed: 20_260_101)
        return (0..<count).map { _ in GeneratedHeader.make(&random) }
    }

    /// What we do with it: the line that says what we made of it, and the payload; empty when it was refused.
    private static func rig(_ echo: Broker) throws -> Rig {
        try Rig(
            [echo.address],
            listener: {
                $0.protocol = .tcp
                $0.proxyAcceptance = .loopback
            }, backend: { $0.proxySending = .init(version: 1) })
    }

    /// The addresses that an answer's PROXY line names; `nil` when nothing came to the server.
    private static func verdict(_ answer: [UInt8]) throws -> ProxyHeader.Endpoints? {
        guard case .header(let header) = try ProxyHeaderReader().read(answer.span) else { return nil }
        return header.endpoints
    }

    @Test("haproxy takes what we take, but for what is listed")
    func haproxy() throws {
        let echo = try Broker(.echo)
        defer { echo.stop() }
        let rig = try Self.rig(echo)
        let front = try Listener()
        let oracle = try Oracle(
            "haproxy", ["-db", "-f", "FILE"],
            """
            global
                nbthread 1
                maxconn 100
            defaults
                mode tcp
                timeout connect 10s
                timeout client 10s
                timeout server 10s
            listen proxy
                bind fd@3 accept-proxy
                server echo 127.0.0.1:\(echo.address.port) send-proxy

            """, descriptors: [3: front.number])
        defer { oracle.stop() }
        var verdicts = Verdicts()
        for header in Self.headers(1000) {
            let ours = try Oracle.answer(header.bytes + Self.payload, at: rig.address)
            let theirs = try Oracle.answer(header.bytes + Self.payload, at: front.address)
            let reason = Self.reason(header, isTaken: !ours.isEmpty, Self.unlikeHaproxy, Self.haproxyTakesNo)
            verdicts.add(header.kind, header.bytes, ours: !ours.isEmpty, theirs: !theirs.isEmpty, reason: reason)
            // Who takes it believes the same of it.
            if case .internet(let client, _)? = try Self.verdict(ours), !theirs.isEmpty,
                client.address != .v4(IPv4Address(127, 0, 0, 1))
            {
                #expect(try Self.verdict(ours) == Self.verdict(theirs), "\(header.kind): \(header.bytes)")
            }
        }
        verdicts.expect(atLeast: 500, refused: 100)
        rig.finish()
    }

    /// Rules that haproxy 2.6 does not hold: what we refuse by them it may take.
    private static let unlikeHaproxy: [ProxyViolation: String] = [
        .port: "a port beyond 65535 or with a zero in front is none (proxy-protocol.txt, 2.1)",
        .line: "words are parted by single spaces, and nothing follows the last (2.1)",
        .address: "an address has one form (2.1)",
        .tlvTruncated: "a TLV ends inside the header (2.2)",
        .tlvDuplicate: "two values for one thing: two readers may believe different ones",
        .tlvLength: "a unique identifier has at most 128 bytes (2.2.5)",
    ]

    /// Why haproxy 2.6 does not take a header that is valid.
    private static func haproxyTakesNo(_ bytes: [UInt8]) -> String? {
        if bytes.starts(with: id("PROXY UNKNOWN ")) {
            return "what follows UNKNOWN is passed over (2.1); haproxy takes nothing behind it"
        }
        guard bytes.count > 13, bytes[12] == 0x21, ![0x11, 0x21].contains(bytes[13]) else { return nil }
        return "a family that is valid and not supported is as UNSPEC (2.2); haproxy reads TLVs at the wrong place"
    }

    /// Why our verdict may differ, by the rule we refuse for, or by what the other does not take.
    private static func reason(
        _ header: GeneratedHeader, isTaken: Bool, _ rules: [ProxyViolation: String], _ takesNo: ([UInt8]) -> String?
    ) -> String? {
        if isTaken { return takesNo(header.bytes) }
        do throws(ProxyViolation) {
            _ = try ProxyHeaderReader().read((header.bytes + payload).span)
            return nil
        } catch {
            return rules[error].map { "\(error.name): \($0)" }
        }
    }

    @Test("nginx takes what we take, but for what is listed")
    func nginx() throws {
        let echo = try Broker(.echo)
        defer { echo.stop() }
        let rig = try Self.rig(echo)
        let front = try Listener(isListening: false).address
        let oracle = try Oracle(
            "nginx", ["-p", "DIRECTORY", "-c", "FILE", "-e", "DIRECTORY/error.log"],
            """
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            daemon off;
            master_process off;
            pid DIRECTORY/nginx.pid;
            events { worker_connections 100; }
            stream {
                server {
                    listen 127.0.0.1:\(front.port) proxy_protocol;
                    proxy_half_close on;
                    proxy_protocol on;
                    proxy_pass 127.0.0.1:\(echo.address.port);
                }
            }

            """)
        defer { oracle.stop() }
        try #require(eventually { (try? Peer(to: front)) != nil })
        var verdicts = Verdicts()
        for header in Self.headers(1000) {
            let ours = try Oracle.answer(header.bytes + Self.payload, at: rig.address)
            let theirs = try Oracle.answer(header.bytes + Self.payload, at: front)
            let reason = Self.reason(header, isTaken: !ours.isEmpty, Self.unlikeNginx, Self.nginxTakesNo)
            verdicts.add(header.kind, header.bytes, ours: !ours.isEmpty, theirs: !theirs.isEmpty, reason: reason)
        }
        verdicts.expect(atLeast: 500, refused: 100)
        rig.finish()
    }

    /// Rules that nginx 1.22 does not hold: what we refuse by them it may take.
    private static let unlikeNginx: [ProxyViolation: String] = unlikeHaproxy.merging([
        .checksum: "a wrong checksum must be refused (2.2.3); nginx looks at none",
        .family: "a family that does not exist is no header (2.2); nginx takes it as none",
        .addressLength: "shorter than the addresses of its family (2.2)",
    ]) { ours, _ in ours }

    /// Why nginx 1.22 does not take a header that is valid.
    private static func nginxTakesNo(_ bytes: [UInt8]) -> String? {
        // NGX_PROXY_PROTOCOL_MAX_HEADER; 4096 since 1.23.2.
        bytes.count > 107 ? "nginx 1.22 reads 107 bytes, also of version 2" : nil
    }
}
