// Reloads as the peer sees them: no advert is missing, whatever changes.

import Control
import Failover
import Foundation
import Linux
import TLS
import Testing
import VRRP
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkReloadTests {
    /// When adverts of the left host arrived, seen by a thread that does nothing else.
    private final class Ear: @unchecked Sendable {
        private let lock = NSLock()
        private var times: [(at: Instant, priority: UInt8)] = []
        private var isDone = false

        func note(_ priority: UInt8) { lock.withLock { times.append((Clock.now, priority)) } }
        func finish() { lock.withLock { isDone = true } }
        var mayGoOn: Bool { lock.withLock { !isDone } }
        var heard: [(at: Instant, priority: UInt8)] { lock.withLock { times } }
    }

    /// What the n-th reload sets: addresses, priorities, intervals, authentication, groups, tracks.
    private static func router(_ round: Int) -> (router: String, more: String) {
        var words = "address 10.9.0.10/24; advert-interval \([200, 160, 240, 200][round % 4])ms"
        if round % 2 == 1 { words += "; address 10.9.0.\(20 + round % 7)/24" }
        if round % 3 == 1 { words += "; priority left \(140 + round % 5)" }
        if round % 5 == 2 { words += "; down-timer-adverts 4" }
        if round % 5 == 3 { words += "; checksum message-only" }
        if round % 7 == 4 { words += "; track interface lo" }
        if round % 6 == 5 { words += "; authentication-mode permissive" }
        if round % 10 == 9 { words += "; preempt after 1s" }
        return (words, round % 4 == 3 ? "sync-group alone { router mqtt }" : "")
    }

    @Test("a hundred reloads leave no gap in the adverts, and nobody moves")
    func hundred() async throws {
        try await NetworkProtocolTests.withPair("address 10.9.0.10/24; advert-interval 200ms") {
            loop, left, right, pair in
            let socket = try pair.inRight {
                try AdvertisementSocket(family: .ipv4, interface: try Netlink().interface("right"), joinsGroup: false)
            }
            let ear = Ear()
            let source = IPAddress.v4(IPv4Address(10, 9, 0, 1))
            let number = socket.number
            let sound = UnsafeListener(socket)
            let listener = Foundation.Thread {
                while ear.mayGoOn {
                    try? Descriptor.waitReadable(number, until: Clock.now + .milliseconds(50))
                    _ = try? sound.socket.drain { packet in
                        if packet.source == source { ear.note(packet.payload.count > 2 ? packet.payload[2] : 0) }
                    }
                }
                ear.finish()
            }
            listener.start()
            defer { ear.finish() }
            let became = right.routers()[0]["counters"]?["became_active"]
            for round in 0..<100 {
                let generation = UInt64(round + 2)
                let (router, more) = Self.router(round)
                for host in [left, right] {
                    try host.configure(
                        NetworkProtocolTests.file(host.interface.name, router, more: more), generation: generation)
                    host.commit(generation: generation)
                }
                try #require(
                    try loop.waitFor {
                        left.messages.contains(.serving(generation: generation))
                            && right.messages.contains(.serving(generation: generation))
                    })
                // Some follow at once, some after more than an interval; they fall on every part of it.
                try loop.turnFor(.milliseconds(Int64(round * 37 % 250)))
            }
            let heard = ear.heard
            try #require(heard.count > 20)
            #expect(!heard.contains { $0.priority == 0 })
            let gaps = zip(heard.dropFirst(), heard).map { $0.at - $1.at }
            let longest = try #require(gaps.max())
            print("100 reloads: \(heard.count) adverts, the longest gap \(longest.text)")
            // One and a half of the longest interval configured. What the machine stalls is told by vip itself.
            let late = left.report()?["scheduling"]?["delay_worst_us"]?.integer ?? 0
            #expect(longest <= .milliseconds(360) + .microseconds(late))
            #expect(left.holds("10.9.0.10") && !right.holds("10.9.0.10"))
            #expect(left.routers()[0]["counters"]?["became_active"] == 1)
            #expect(right.routers()[0]["counters"]?["became_active"] == became)
        }
    }

    /// A socket that is used by one thread after it was made by another.
    private struct UnsafeListener: @unchecked Sendable {
        let socket: AdvertisementSocket
        init(_ socket: AdvertisementSocket) { self.socket = socket }
    }
}

extension EventLoop {
    /// Turns for a while.
    func turnFor(_ time: Duration) throws {
        let end = Clock.now + time
        while Clock.now < end { try turn(limit: end - Clock.now) }
    }
}
