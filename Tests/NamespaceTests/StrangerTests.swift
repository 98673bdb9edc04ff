// What the pair must not believe, on the wire and from clients.

import Glibc
import Lab
import Linux
import Testing
import VRRP
import Wire

extension TwoHosts {
    @Suite("What strangers send moves nothing", .serialized)
    struct Strangers {
        static let virtual = LabNetwork.virtualAddress

        static func advertisement(priority: UInt8) -> Advertisement {
            Advertisement(
                version: .three, routerID: 51, priority: priority, interval: .milliseconds(100),
                addresses: [virtual])
        }

        /// How often each reason of refusal was counted.
        static func refusals(_ proxy: Proxy) throws -> [String: Int64] {
            var counts: [String: Int64] = [:]
            for member in try proxy.status()["vip"]?["routers"]?.array?.first?["refusals"]?.members ?? [] {
                counts[member.name] = member.value.integer
            }
            return counts
        }

        @Test("spoofed and malformed adverts are counted with their reason", .timeLimit(.minutes(2)))
        func adverts() throws {
            try Setting.lab(Setting.settings) { lab in
                try lab.startPair()
                let (active, standby) = try lab.roles()
                let watch = try lab.watchAddress()
                let before = watch.changes.count
                let stranger = try Stranger(on: lab.client, in: lab)
                let peer = standby.host.address
                let good = Self.advertisement(priority: 254).write(
                    from: peer, to: active.host.address, checksum: .pseudoHeader)
                var broken = good
                broken[2] ^= 0xFF
                let other = Self.advertisement(priority: 254).write(
                    from: lab.client.address, to: active.host.address, checksum: .pseudoHeader)
                for _ in 0..<20 {
                    // From behind a router, with a wrong sum, cut short, and from one who is no peer.
                    try stranger.send(good, protocol: 112, from: peer, to: active.host, timeToLive: 254)
                    try stranger.send(broken, protocol: 112, from: peer, to: active.host)
                    try stranger.send(Array(good.prefix(5)), protocol: 112, from: peer, to: active.host)
                    try stranger.send(other, protocol: 112, from: lab.client.address, to: active.host)
                }
                try lab.bench.pass(.seconds(1))
                let counts = try Self.refusals(active)
                for reason in ["bad-ttl", "bad-checksum", "too-short", "not-a-peer"] {
                    #expect(counts[reason, default: 0] >= 20, "\(reason) of \(counts)")
                }
                #expect(watch.changes.count == before, "no address moved: \(watch.changes)")
                #expect(try lab.roles().active === active)
            }
        }

        @Test("a wrong pair secret refuses the link, says so, and the address is served", .timeLimit(.minutes(2)))
        func secret() throws {
            var settings = Setting.settings
            settings.hasWrongSecret = true
            try Setting.lab(settings) { lab in
                try lab.startPair()
                try lab.bench.pass(.seconds(3))
                #expect(try lab.holders().count == 1)
                for proxy in lab.proxies { #expect(try !proxy.isInSync(), "\(proxy.host.name)") }
                let said = lab.proxies.contains { $0.log.contains("secret") }
                #expect(said, "one of the logs must name the secret:\n\(lab.logs(40))")
            }
        }

        @Test("garbage, oversize and slow CONNECTs end alone", .timeLimit(.minutes(2)))
        func clients() throws {
            try Setting.lab(Setting.settings) { lab in
                try lab.startPair()
                let prober = Prober(lab, Prober.Settings(name: "beside", limit: .seconds(2)))
                prober.start()
                defer { prober.stop() }
                let active = try lab.roles().active
                let inputs: [[UInt8]] = [
                    Array("GET / HTTP/1.1\r\n\r\n".utf8),
                    Array(repeating: 0xFF, count: 4096),
                    // A CONNECT that promises 256 MB.
                    [0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60],
                    // A PUBLISH before any CONNECT.
                    [0x30, 0x03, 0, 1, 97],
                ]
                let target = SocketAddress(Self.virtual, port: 1883)
                for input in inputs {
                    let raw = try RawClient(from: lab.client, to: target, lab)
                    raw.send(input)
                    #expect(try lab.bench.wait(for: .seconds(10)) { raw.isClosed }, "\(input.prefix(16))")
                }
                // Byte by byte is slow, not wrong.
                let slow = try RawClient(from: lab.client, to: target, lab)
                for byte in [0x10, 16, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 4, 115, 108, 111, 119] as [UInt8] {
                    slow.send([byte])
                    try lab.bench.pass(.milliseconds(5))
                }
                #expect(try lab.bench.wait(for: .seconds(5)) { slow.received.count >= 4 })
                #expect(slow.received.prefix(4) == [0x20, 2, 0, 0])
                slow.close()
                try prober.finish()
                #expect(prober.failures.isEmpty, "\(prober.failures.prefix(3))")
                #expect(prober.successes.count > 10)
                #expect(try lab.roles().active === active)
            }
        }
    }
}
