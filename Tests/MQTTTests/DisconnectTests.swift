// A server's DISCONNECT, looked at byte by byte.

import MQTT
import Testing
import Wire

@Suite("A server's DISCONNECT")
struct DisconnectTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: String
        let finding: Disconnect.Finding
        var testDescription: String { name }
        init(_ name: String, _ bytes: String, _ finding: Disconnect.Finding) {
            (self.name, self.bytes, self.finding) = (name, bytes, finding)
        }
    }

    /// MQTT 5.0, 3.14.
    static let samples = [
        Sample("no reason", "E000", .disconnect(.success, namesServer: false, length: 2)),
        Sample("a reason", "E0018E", .disconnect(.sessionTakenOver, namesServer: false, length: 3)),
        Sample("no properties", "E0029C00", .disconnect(.useAnotherServer, namesServer: false, length: 4)),
        Sample("a reason string", "E0078E051F0002'no'", .disconnect(.sessionTakenOver, namesServer: false, length: 9)),
        Sample("a reference", "E0089C061C0003'b:1'", .disconnect(.useAnotherServer, namesServer: true, length: 10)),
        Sample(
            "a reference behind others", "E0129D10 1F0002'no' 260001'k'0001'v' 1C0001'b'",
            .disconnect(.serverMoved, namesServer: true, length: 20)),
        Sample("two references", "E00A9C081C0001'a'1C0001'b'", .unreadable(.useAnotherServer)),
        Sample("longer properties than the packet", "E0039C051C", .unreadable(.useAnotherServer)),
        Sample("a property of others", "E0059C031300FF", .unreadable(.useAnotherServer)),
        Sample("bytes behind the properties", "E0039C00FF", .unreadable(.useAnotherServer)),
        Sample("flags", "E1019C", .unreadable(.useAnotherServer)),
        Sample("a length in more bytes than needed", "E082009C00", .unreadable(.useAnotherServer)),
        Sample("a fifth byte of length", "E0FFFFFFFF01", .unreadable(.malformedPacket)),
    ]

    @Test("is found, and nothing is said before it is whole", arguments: samples)
    func reads(sample: Sample) {
        let bytes = hex(sample.bytes)
        #expect(Disconnect.find(bytes.span, maximumLength: 100) == sample.finding)
        // What stands behind it changes nothing.
        #expect(Disconnect.find((bytes + hex("D000")).span, maximumLength: 100) == sample.finding)
        for count in 0..<bytes.count {
            let finding = Disconnect.find(bytes.span.extracting(0..<count), maximumLength: 100)
            #expect(finding == .needMore || finding == sample.finding, "\(count) bytes")
        }
    }

    @Test("that is longer than is looked at has a reason as soon as that is there")
    func long() {
        let bytes = packet(0xE0, hex("9C") + [UInt8](repeating: 0, count: 200))
        #expect(Disconnect.find(bytes.span.extracting(0..<3), maximumLength: 100) == .needMore)
        #expect(Disconnect.find(bytes.span.extracting(0..<4), maximumLength: 100) == .unreadable(.useAnotherServer))
        #expect(Disconnect.find(bytes.span, maximumLength: 100) == .unreadable(.useAnotherServer))
    }

    @Test("says by its reason whether the server wants no sessions, and whether the client belongs elsewhere")
    func reasons() {
        let all = (UInt8.min...UInt8.max).map(ReasonCode.init(rawValue:))
        #expect(all.filter(\.sendsAway) == [.serverBusy, .serverShuttingDown, .useAnotherServer, .serverMoved])
        #expect(all.filter(\.namesAnother) == [.useAnotherServer, .serverMoved])
    }
}
