// What each listener counts by itself.

import Configuration
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy
@testable import TLS

@Suite("A listener's own counters")
struct ListenerTotalsTests {
    @Test("tell what came, what was established, what was refused, and the bytes of what is over", arguments: [1, 3])
    func counts(loops: Int) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: loops)
        let totals = rig.listener.totals
        var packet = 0
        for number in 0..<7 {
            packet = try connect("c\(number)").count
            let client = try rig.session("c\(number)")
            try client.exchange(pingreq, expecting: pingreq)
            client.close()
        }
        for _ in 0..<3 {
            let stranger = try rig.client()
            try stranger.send(id("GET / HTTP/1.1\r\n\r\n"))
            _ = try stranger.receiveToEnd()
            stranger.close()
        }
        rig.settles()
        #expect(totals[.accepted] == 10 && totals[.established] == 7 && totals[.ended] == 7 && totals[.refused] == 3)
        #expect(totals[.bytesUp] == UInt64(7 * (packet + 2)) && totals[.bytesDown] == UInt64(7 * (4 + 2)))
        #expect(totals[.handshakes] == 0)
        // A reload keeps them, and so does a listener that was removed.
        #expect(rig.listener.inactive.totals === totals)
        #expect(totals.json["established"]?.integer == 7)
        rig.finish()
    }

    @Test("tell TLS handshakes that were good and bad, and why they were bad")
    func handshakes() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], tls: Certificates.server())
        let good = try EdgePeer(to: rig.address, .tls13)
        try good.send(try connect("good"))
        #expect(try good.receive(4) == accepted())
        good.peer.close()
        let plain = try rig.client()
        try plain.send(try connect("plain"))
        _ = try plain.receiveToEnd()
        plain.close()
        // A client that does not believe the server's certificate says so in an alert.
        let doubting = try EdgePeer(
            try Peer(to: rig.address), isClient: true,
            try TLSContext(clientTrusting: Certificates.directory + "/stranger.pem", version: nil))
        #expect(throws: TLSError.self) { try doubting.secure() }
        try doubting.sendAlert()
        doubting.peer.close()
        rig.settles()
        let totals = rig.listener.totals
        #expect(totals[.handshakes] == 1 && totals[.handshakesFailed] == 2)
        let counters = rig.loops[0].counters
        #expect(counters[.malformed, client: true] == 1 && counters[.refused, client: true] == 1)
        let json = ProxyCounters.json([counters])
        #expect(json["tls-client-errors"]?["malformed"]?.integer == 1)
        #expect(json["tls-server-errors"]?.members?.isEmpty == true)
        rig.finish()
    }
}
