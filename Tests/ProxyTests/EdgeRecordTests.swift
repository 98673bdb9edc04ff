// Sessions whose records are the balancer's own: new keys, alerts, ends, and what is left of secrets.

import COpenSSL
import Configuration
import Linux
import MQTT
import Testing
import WebSocket
import Wire

@testable import Proxy
@testable import TLS

@Suite("A session with records of our own", .serialized)
struct EdgeRecordTests {
    /// A session with both ends in the test's hands.
    private func pair(
        _ rig: Rig, _ server: Listener, _ combination: Combination
    ) throws -> (client: EdgePeer, broker: EdgePeer) {
        let packet = try connect("records")
        let serving = try Worker { try Sent(peer: EdgeTests.serve(server, combination.server, packet)) }
        let client = try EdgePeer(to: rig.address, combination.client)
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        return (client, try serving.join().peer)
    }

    /// Peers are made on one thread and used on another, never at once.
    private struct Sent: @unchecked Sendable {
        let peer: EdgePeer
    }

    private static let modern = [
        Combination(client: .tls13, server: .tcp), Combination(client: .tls13, server: .tls13),
        Combination(client: .tcp, server: .tls13), Combination(client: .wss, server: .tcp),
        Combination(client: .wss, server: .wss),
    ]

    @Test("changes its keys in the middle of the streams, its own and when it is asked", arguments: modern, [4, .max])
    func keyUpdates(combination: Combination, limit: UInt64) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address], recordLimit: limit)
        let count = 1_000_000
        let (up, down) = (Pattern(seed: 1), Pattern(seed: 2))
        let packet = try connect("keys")
        let address = rig.address
        let broker = try Worker { () throws -> Int in
            let broker = try EdgeTests.serve(server, combination.server, packet)
            let received = try broker.exchange(down, count, up, count, largest: 9000, updating: combination.server.hasTLS)
            _ = try broker.receiveToEnd()
            try broker.finish()
            return received
        }
        let client = try Worker { () throws -> Int in
            let client = try EdgePeer(to: address, combination.client)
            try client.send(packet)
            guard try client.receive(4) == accepted() else { return -1 }
            let received = try client.exchange(up, count, down, count, largest: 9000, updating: combination.client.hasTLS)
            try client.finish()
            _ = try client.receiveToEnd()
            return received
        }
        #expect(try client.join() == count)
        #expect(try broker.join() == count)
        rig.finish()
        #expect(rig.count(.keyUpdatesHeard) > 10)
        #expect(rig.count(.keyUpdatesSaid) > 5)
        for violation in RecordViolation.allCases { #expect(rig.count(violation) == 0, "\(violation)") }
    }

    @Test("answers what is no record of its peer with an alert, and ends", arguments: [Wrapping.tls12, .tls13])
    func forged(wrapping: Wrapping) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(Combination(client: wrapping, server: .tcp), [server.address])
        let (client, broker) = try pair(rig, server, Combination(client: wrapping, server: .tcp))
        try client.send(pingreq)
        #expect(try broker.receive(2) == pingreq)
        #expect(throws: TLSError(.refused, "sslv3 alert bad record mac")) {
            try client.sendBelow([23, 3, 3, 0, 40] + [UInt8](repeating: 0x5A, count: 40))
            _ = try client.receiveToEnd()
        }
        // Not one byte of it came through.
        #expect(try broker.receiveToEnd() == [])
        rig.reaches(.clientTLS, 1)
        #expect(rig.count(RecordViolation.badRecordMAC) == 1)
        broker.peer.close()
        client.peer.close()
        rig.finish()
    }

    @Test("tells the cut of a stream from its end", arguments: [Wrapping.tls12, .tls13, .wss], [true, false])
    func truncation(wrapping: Wrapping, isCut: Bool) throws {
        let combination = Combination(client: wrapping, server: .tcp)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        if isCut { client.peer.shutdown() } else { try client.finish() }
        _ = try broker.receiveToEnd()
        try broker.finish()
        _ = try? client.receiveToEnd()
        rig.reaches(.clientClosed, 1)
        #expect(rig.count(.tlsTruncated) == (isCut ? 1 : 0))
        client.peer.close()
        rig.finish()
    }

    @Test("refuses to begin again in the middle of TLS 1.2, and goes on")
    func renegotiation() throws {
        let combination = Combination(client: .tls12, server: .tcp)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        // OpenSSL's client takes the warning for the end of its wish, and of itself, whenever it reads it.
        #expect(throws: (any Error).self) {
            try client.renegotiate()
            _ = try client.receiveToEnd()
        }
        #expect(rig.count(RecordViolation.unexpectedMessage) == 0)
        client.peer.close()
        _ = try broker.receiveToEnd()
        broker.peer.close()
        rig.finish()
    }

    @Test(
        "has records as small as its client wishes", arguments: [Wrapping.tls12, .tls13],
        Configuration.RecordLayerChoice.allCases)
    func fragments(wrapping: Wrapping, records: Configuration.RecordLayerChoice) throws {
        let combination = Combination(client: wrapping, server: .tcp, records: records)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let packet = try connect("small")
        let count = 1_000_000
        let (up, down) = (Pattern(seed: 1), Pattern(seed: 2))
        let broker = try Worker { () throws -> Int in
            let broker = try EdgeTests.serve(server, .tcp, packet)
            let received = try broker.exchange(down, count, up, count)
            _ = try broker.receiveToEnd()
            try broker.finish()
            return received
        }
        let context = try Certificates.client(wrapping.version)
        // RFC 6066, 4: 1 is 512 bytes.
        #expect(unsafe SSL_CTX_set_tlsext_max_fragment_length(context.handle, 1) == 1)
        let client = try EdgePeer(try Peer(to: rig.address), isClient: true, context)
        try client.secure()
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        #expect(try client.exchange(up, count, down, count) == count)
        try client.finish()
        _ = try client.receiveToEnd()
        #expect(try broker.join() == count)
        rig.finish()
    }

    /// Whether a key stands anywhere in the memory for secrets.
    private func contains(_ rig: Rig, _ key: [UInt8]) -> Bool {
        rig.memories.contains { memory in
            (0...memory.secrets.count - key.count).contains { memory.secrets.equals(key.span, at: $0) }
        }
    }

    /// The bytes of the first client's key for what it sends, as long as there is one.
    private func key(_ rig: Rig) -> [UInt8] {
        let keys = SessionKeys(capacity: rig.memories[0].capacity, region: rig.memories[0].secrets)
        let reading = keys.reading(1, client: true)
        return (0..<16).map { reading.key[$0] }
    }

    @Test("leaves nothing of its keys behind, neither old ones nor the last", arguments: [Wrapping.tls12, .tls13, .wss])
    func wiped(wrapping: Wrapping) throws {
        let combination = Combination(client: wrapping, server: .tls13)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address], recordLimit: 6)
        let (client, broker) = try pair(rig, server, combination)
        let first = key(rig)
        #expect(first != [UInt8](repeating: 0, count: 16))
        #expect(contains(rig, first))
        if wrapping != .tls12 {
            try client.updateKeys(requesting: true)
            for _ in 0..<10 {
                try client.send(pingreq)
                #expect(try broker.receive(2) == pingreq)
            }
            let second = key(rig)
            #expect(second != first)
            #expect(contains(rig, second))
            #expect(!contains(rig, first))
        }
        try client.finish()
        _ = try broker.receiveToEnd()
        try broker.finish()
        _ = try client.receiveToEnd()
        rig.settles()
        // Not a byte: the memory is as it was before anybody came.
        let region = rig.memories[0].secrets
        let zeroes = [UInt8](repeating: 0, count: region.count)
        let isEmpty = region.equals(zeroes.span, at: 0)
        #expect(isEmpty)
        rig.finish()
    }

    @Test("has its keys where no core, no swap and no debugger finds them, as far as the kernel lets us")
    func protected() throws {
        let memory = try LoopMemory(capacity: 16, chunkSize: 65_536)
        let hasSecret = (try? Memfd.secret(size: 4096)) != nil
        #expect(memory.protection == (hasSecret ? .secret : .locked))
        memory.secrets.store(UInt64(0x5EC2_E75E_C2E7), at: 0)
        #expect(try Self.flags(of: memory.secrets).isSuperset(of: ["dd", "lo"]))
        // The same as a successor finds it.
        let again = try #require(LoopMemory(adopting: memory.record))
        #expect(again.protection == memory.protection)
        #expect(again.secrets.load(0) as UInt64 == 0x5EC2_E75E_C2E7)
        #expect(try Self.flags(of: again.secrets).isSuperset(of: ["dd", "lo"]))
        // What stands beside it is ordinary memory.
        memory.slots.store(UInt64(1), at: 0)
        #expect(try !Self.flags(of: memory.slots).contains("dd"))
    }

    @Test("has its keys in ordinary memory that is locked, where the kernel has no other")
    func locked() throws {
        let file = try Memfd.create(name: "test", size: 8192)
        let region = try Memfd.map(file.number)
        #expect(!Memfd.isSecret(file.number))
        let protection = try MemoryProtection.protect(region)
        region.store(UInt64(1), at: 0)
        let flags = try Self.flags(of: region)
        #expect(flags.contains("dd"))
        #expect(flags.contains("lo") == (protection == .locked))
    }

    /// The kernel's flags of the mapping that begins with a region (proc(5), VmFlags).
    private static func flags(of region: MemoryRegion) throws -> Set<String> {
        let start = String(UInt(bitPattern: unsafe region.address), radix: 16) + "-"
        let lines = String(decoding: try File.read("/proc/self/smaps", limit: 1 << 24), as: UTF8.self)
            .split(separator: "\n")
        let place = try #require(lines.firstIndex { $0.hasPrefix(start) })
        let flags = try #require(lines[place...].first { $0.hasPrefix("VmFlags:") })
        return Set(flags.split(separator: " ").dropFirst().map { String($0) })
    }

    @Test("waits for the rest of a record without a turn wasted")
    func pieces() throws {
        let combination = Combination(client: .tls13, server: .tcp)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        for round in 0..<3 {
            let words = (0..<(round == 2 ? 16_384 : 50)).map { UInt8(truncatingIfNeeded: $0) }
            let record = try client.sealed(words)
            for cut in stride(from: 0, to: record.count, by: max(1, record.count / 40)) {
                try client.sendBelow(Array(record[cut..<min(record.count, cut + max(1, record.count / 40))]))
            }
            #expect(try broker.receive(words.count) == words)
        }
        #expect(eventually { rig.gauge(.chunks) == 0 })
        try client.finish()
        _ = try broker.receiveToEnd()
        try broker.finish()
        _ = try client.receiveToEnd()
        rig.finish()
    }
}
