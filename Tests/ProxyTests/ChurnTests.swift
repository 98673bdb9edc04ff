// Clients and servers that come and go in every phase; nothing may be left behind.

import Configuration
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("Churn")
struct ChurnTests {
    @Test("Ends in every phase leave nothing behind", arguments: [1, 2] as [UInt64])
    func churn(seed: UInt64) throws {
        let brokers = try (0..<3).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(
            brokers.map(\.address), loops: 2, capacity: 64,
            backend: {
                $0.connackTimeout = .milliseconds(30)
                // Health stands aside: every server stays eligible.
                $0.check.kind = .none
            })
        let address = rig.address
        let workers = try (0..<4).map { worker in
            try Worker {
                var random = SeededGenerator(seed: seed << 8 | UInt64(worker))
                for round in 0..<150 {
                    let name = "client-\(Int.random(in: 0..<40, using: &random))"
                    try Self.live(address, name, round, &random)
                }
            }
        }
        let chaos = try Worker {
            var random = SeededGenerator(seed: seed)
            let behaviours: [Broker.Behaviour] = [
                .accept, .accept, .accept, .close, .reset, .silent, .answerAndClose(refused(3)),
                .answerAndClose(refused(5)), .answer([0xFF]), .greet([1, 2, 3]), .greetAndEnd([0x20]),
            ]
            for _ in 0..<200 {
                brokers[Int.random(in: 0..<3, using: &random)].become(
                    behaviours[Int.random(in: 0..<behaviours.count, using: &random)])
                usleep(5000)
            }
        }
        for worker in workers { try worker.join() }
        try chaos.join()
        rig.settles()
        // And it still serves.
        for broker in brokers { broker.become(.accept) }
        let client = try rig.session("afterwards")
        try client.exchange(pingreq, expecting: pingreq)
        client.close()
        rig.finish()
        #expect(rig.count(.accepted) == 601)
        #expect(eventually { brokers.allSatisfy { $0.seen.open == 0 } })
    }

    /// A client that gives up somewhere on its way.
    private static func live(
        _ address: SocketAddress, _ name: String, _ round: Int, _ random: inout SeededGenerator
    ) throws {
        let client = try Peer(to: address)
        let packet = try connect(name, round % 2 == 0 ? .v311 : .v5)
        // Whatever fails from here on, fails because the other side ended first, which it may.
        do {
            switch Int.random(in: 0..<8, using: &random) {
            case 0: break
            case 1: try client.send(Array(packet.prefix(Int.random(in: 1..<packet.count, using: &random))))
            case 2: try client.send([0x99])
            case 3: try client.send(packet)
            case 4:
                try client.send(packet)
                client.shutdown()
                _ = try client.receiveToEnd()
            case 5:
                try client.send(packet + [UInt8](repeating: 7, count: 200_000))
            case 6:
                try client.send(packet)
                _ = try client.receiveSome()
                try client.send([UInt8](repeating: 7, count: 300_000))
            default:
                try client.send(packet)
                _ = try client.receiveSome()
                try client.send(pingreq)
                _ = try client.receiveSome()
            }
        } catch let error as Peer.Failure {
            if case .timeout = error { throw error }
        } catch is Errno {}
        if Bool.random(using: &random) { client.reset() } else { client.close() }
    }
}
