// What somebody on the link may send: nothing of it moves the address, and each is counted under its own name.

import Control
import Failover
import Linux
import TLS
import Testing
import VRRP
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkForgeryTests {
    struct Authenticator: MessageAuthenticator {
        func hmacSHA256(key: [UInt8], message: Span<UInt8>) -> [UInt8]? {
            MessageDigest.hmacSHA256(key: key, message: message)
        }
    }

    private static let left = IPAddress.v4(IPv4Address(10, 9, 0, 1))
    private static let right = IPAddress.v4(IPv4Address(10, 9, 0, 2))
    private static let stranger = IPAddress.v4(IPv4Address(10, 9, 0, 77))

    /// What would move the address if it were believed.
    private static func advertisement(_ id: UInt8 = 51, version: Advertisement.Version = .three) -> Advertisement {
        Advertisement(
            version: version, routerID: id, priority: 254, interval: version == .two ? .seconds(1) : .milliseconds(100),
            addresses: [.v4(IPv4Address(10, 9, 0, 10))])
    }

    private static func sealed(_ secret: PairSecret) throws -> [UInt8] {
        let key = try #require(
            HMACAuthentication.Key(
                id: secret.key("vrrp-hmac-number", count: 1)[0], secret: secret.key("vrrp-hmac", count: 32)))
        var sender = HMACAuthentication(
            .init(keys: [key], activeKey: key.id, antiReplay: .monotonic, interval: .milliseconds(100)))
        let wall = Duration.microseconds(Clock.wallMicroseconds)
        let bytes = sender.write(
            advertisement(), from: right, to: left, checksum: .pseudoHeader, wall: wall, with: Authenticator())
        return try #require(bytes)
    }

    /// An IPv4 packet of protocol 112 in an Ethernet frame from the right cable end to the left one.
    private static func frame(_ payload: [UInt8], from source: IPAddress, timeToLive: UInt8 = 255) -> [UInt8] {
        var header: [UInt8] = [0x45, 0xC0]
        header.append(bigEndian: UInt16(20 + payload.count))
        header += [0, 1, 0, 0, timeToLive, 112, 0, 0] + source.octets + left.octets
        var sum = InternetChecksum()
        sum.add(header.span)
        header[10] = UInt8(sum.value >> 8)
        header[11] = UInt8(sum.value & 0xFF)
        return [2, 0, 0, 0, 0, 0x0A, 2, 0, 0, 0, 0, 0x0B, 0x08, 0x00] + header + payload
    }

    @Test("forged, repeated and malformed adverts each have their own counter and move nothing")
    func forgeries() async throws {
        try await NetworkProtocolTests.withPair("address 10.9.0.10/24") { loop, left, right, pair in
            func plain(_ advertisement: Advertisement, from source: IPAddress = Self.right) -> [UInt8] {
                advertisement.write(from: source, to: Self.left, checksum: .pseudoHeader)
            }
            let good = try Self.sealed(VipPair.secret)
            let other = try Self.sealed(PairSecret.generate())
            // The right key number with another key behind it.
            var broken = good
            broken[broken.count - 1] ^= 1
            var badSum = plain(Self.advertisement())
            badSum[2] ^= 1
            var interval = plain(Self.advertisement())
            interval[4] = 0
            interval[5] = 0
            let cases: [(reason: String, [UInt8], IPAddress, UInt8)] = [
                ("not-a-peer", plain(Self.advertisement(), from: Self.stranger), Self.stranger, 255),
                ("bad-ttl", good, Self.right, 254),
                ("hmac-missing", plain(Self.advertisement()), Self.right, 255),
                ("hmac-mismatch", broken, Self.right, 255),
                ("hmac-unknown-key", other, Self.right, 255),
                ("bad-checksum", badSum, Self.right, 255),
                ("truncated", Array(good.prefix(10)), Self.right, 255),
                ("too-short", [0x31, 51], Self.right, 255),
                ("trailing-bytes", good + [UInt8](repeating: 0, count: 1000), Self.right, 255),
                ("wrong-version", [0x41] + good.dropFirst(), Self.right, 255),
                ("other-router-id", plain(Self.advertisement(99)), Self.right, 255),
            ]
            let before = try #require(left.routers()[0]["counters"]?["transitions"]?.integer)
            let socket = try pair.inRight { try PacketSocket() }
            let index = try pair.inRight { try Netlink().interface("right").index }
            for (reason, payload, source, timeToLive) in cases {
                // A key that two secrets happen to share would be another case: the numbers have eight bits.
                if reason == "hmac-unknown-key", other[13] == good[13] { continue }
                for _ in 0..<20 {
                    try socket.send(Self.frame(payload, from: source, timeToLive: timeToLive), on: index)
                }
                try #require(
                    try loop.waitFor { left.routers()[0]["refusals"]?[reason]?.integer ?? 0 >= 20 },
                    "\(reason): \(left.routers()[0]["refusals"] ?? .null)")
            }
            let report = left.routers()[0]
            #expect(report["counters"]?["transitions"]?.integer == before)
            #expect(left.holds("10.9.0.10") && !right.holds("10.9.0.10"))
            let refused = report["refused"]?.array ?? []
            #expect(refused.contains { $0["reason"] == "not-a-peer" && $0["from"] == "10.9.0.77" && $0["count"] == 20 })
            #expect(report["other_router_ids"]?.array?.first?["router_id"] == 99)
            let history = try left.ask(["command": "history"])?["routers"]?.array?.first?["history"]
            #expect(history?["refused"]?.integer ?? 0 >= 200)
        }
    }

    @Test("adverts recorded on the wire are not believed a second time")
    func repetition() async throws {
        try await NetworkProtocolTests.withPair("address 10.9.0.10/24; preempt after 1ms") { loop, left, right, pair in
            // The right one follows; what the left one said is heard again after it is gone.
            let ear = try pair.inRight {
                try AdvertisementSocket(family: .ipv4, interface: try Netlink().interface("right"), joinsGroup: false)
            }
            var heard: [[UInt8]] = []
            while heard.count < 3 {
                try #require(waitUntilReadable(ear.number))
                try ear.drain { if $0.source == Self.left { heard.append($0.payload) } }
                try loop.turn(limit: .milliseconds(1))
            }
            left.killSupervisor()
            try #require(try loop.waitFor { right.holds("10.9.0.10") })
            let socket = try PacketSocket()
            let index = try Netlink().interface("left").index
            for payload in heard {
                var header: [UInt8] = [0x45, 0xC0]
                header.append(bigEndian: UInt16(20 + payload.count))
                header += [0, 1, 0, 0, 255, 112, 0, 0] + Self.left.octets + Self.right.octets
                var sum = InternetChecksum()
                sum.add(header.span)
                header[10] = UInt8(sum.value >> 8)
                header[11] = UInt8(sum.value & 0xFF)
                let frame = [2, 0, 0, 0, 0, 0x0B, 2, 0, 0, 0, 0, 0x0A, 0x08, 0x00] + header + payload
                try socket.send(frame, on: index)
            }
            try #require(try loop.waitFor { right.routers()[0]["refusals"]?["hmac-replayed"]?.integer == 3 })
            #expect(right.holds("10.9.0.10") && right.routers()[0]["state"] == "active")
        }
    }
}
