// The records of RFC 8448, byte for byte.

import TLS
import Testing

@Suite("The simple handshake of RFC 8448, 3")
struct TraceTests {
    private static let clientSecret = hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
    private static let serverSecret = hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")

    private static let fromClient = hex(
        """
        17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 19 a8
        a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4
        """)

    @Test("gives the keys of both directions")
    func keys() throws {
        let client = try #require(TrafficKeys.keys(secret: Self.clientSecret, .aes128GCM))
        #expect((0..<16).map { client.key[$0] } == hex("17422dda596ed5d9acd890e3c63f5051"))
        #expect((0..<12).map { client.iv[$0] } == hex("5b78923dee08579033e523d9"))
        let server = try #require(TrafficKeys.keys(secret: Self.serverSecret, .aes128GCM))
        #expect((0..<16).map { server.key[$0] } == hex("9f02283b6c9c07efc26bb9f2ac92e356"))
        #expect((0..<12).map { server.iv[$0] } == hex("cf782b88dd83549aadf1e984"))
    }

    @Test("gives the client's application data, sealed and opened")
    func applicationData() throws {
        var (client, server) = try Side.pair(.aes128GCM, client: Self.clientSecret, server: Self.serverSecret)
        let plaintext = (0..<50).map { UInt8($0) }
        #expect(try client.seal(plaintext) == Self.fromClient)
        let (opened, data) = try server.open(Self.fromClient)
        #expect(opened == .data(50))
        #expect(data == plaintext)
    }

    @Test("gives the client's close_notify, its second record")
    func closing() throws {
        var (client, server) = try Side.pair(.aes128GCM, client: Self.clientSecret, server: Self.serverSecret)
        _ = try client.seal((0..<50).map { UInt8($0) })
        let alert = try client.sealAlert(level: 1, 0)
        #expect(alert == hex("17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3"))
        _ = try server.open(Self.fromClient)
        #expect(try server.open(alert).0 == .closed)
        #expect(server.reading.isClosed)
    }
}
