// Our requests to servers, and their answers.

import Testing
import WebSocket
import Wire

@Suite("WebSockets to servers")
struct OfferTests {
    private let key = RequestTests.key

    @Test func `The request, byte for byte`() throws {
        let client = SocketAddress(try #require(IPAddress("::ffff:192.0.2.7")), port: 50123)
        var offer = UpgradeOffer(host: "mqtt.example.com", target: "/mqtt?x=1", key: key, client: client)
        offer.forwardedFor = "203.0.113.9"
        offer.fields = [.init(name: "X-Forwarded-Proto", value: "wss")]
        let bytes = try offer.encode()
        let expected = """
            GET /mqtt?x=1 HTTP/1.1\r
            Host: mqtt.example.com\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Protocol: mqtt\r
            X-Real-IP: 192.0.2.7\r
            REMOTE-HOST: 192.0.2.7\r
            X-Forwarded-Port: 50123\r
            X-Forwarded-For: 203.0.113.9, 192.0.2.7\r
            X-Forwarded-Proto: wss\r
            \r

            """
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
        // Our own reader takes it, and so a second balancer appends to the chain.
        let request = try RequestTests.accepted(bytes)
        #expect(request.path == "/mqtt" && request.query == "x=1" && request.host == offer.host)
        #expect(request.forwardedFor == "203.0.113.9, 192.0.2.7")
    }

    @Test func `A check tells of no client, an old client's name is kept`() throws {
        let bytes = try UpgradeOffer(host: "a", target: "/", key: key, subprotocol: .mqttv31).encode()
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(!text.contains("X-") && !text.contains("REMOTE-HOST"))
        #expect(try RequestTests.accepted(bytes).subprotocol == .mqttv31)
    }

    @Test func `Nobody smuggles a line into our request`() throws {
        let evil = "a\r\nX-Real-IP: 127.0.0.1"
        var offers = [
            UpgradeOffer(host: evil, target: "/", key: key),
            UpgradeOffer(host: "a", target: "/ HTTP/1.1\r\nX: y", key: key),
            UpgradeOffer(host: "a", target: "x", key: key), UpgradeOffer(host: "a", target: "/", key: evil),
        ]
        for change in 0..<4 {
            var offer = UpgradeOffer(host: "a", target: "/", key: key)
            switch change {
            case 0: offer.forwardedFor = evil
            case 1: offer.origin = evil
            case 2: offer.fields = [.init(name: "A", value: evil)]
            default: offer.fields = [.init(name: "A: b", value: "c")]
            }
            offers.append(offer)
        }
        for offer in offers { #expect(throws: UpgradeOffer.Unprintable.self) { try offer.encode() } }
    }

    private func read(_ text: String) -> Result<UpgradeResponseReader.Outcome, UpgradeResponseReader.Failure> {
        let bytes = Array(text.utf8)
        let offer = UpgradeOffer(host: "a", target: "/", key: key)
        func result(
            _ reader: inout UpgradeResponseReader, _ count: Int
        ) -> Result<UpgradeResponseReader.Outcome, UpgradeResponseReader.Failure> {
            do throws(UpgradeResponseReader.Failure) {
                return .success(try reader.read(bytes.span.extracting(0..<count)))
            } catch {
                return .failure(error)
            }
        }
        var once = UpgradeResponseReader(to: offer)
        let whole = result(&once, bytes.count)
        var slow = UpgradeResponseReader(to: offer)
        var verdict = result(&slow, 0)
        for count in 1...bytes.count where verdict == .success(.needMore) { verdict = result(&slow, count) }
        #expect(verdict == whole)
        return whole
    }

    private static let good = """
        HTTP/1.1 101 Switching Protocols\r
        upgrade: WebSocket\r
        connection: upgrade\r
        server: Cowboy\r
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
        sec-websocket-protocol: mqtt\r
        \r

        """

    @Test func `An answer that accepts`() throws {
        #expect(read(Self.good) == .success(.accepted(length: Self.good.utf8.count)))
        #expect(read(Self.good + "\u{2}x") == .success(.accepted(length: Self.good.utf8.count)))
        // Our own answer is one.
        let request = try RequestTests.accepted(RequestTests.request())
        #expect(
            read(String(decoding: request.acceptance, as: UTF8.self))
                == .success(.accepted(length: request.acceptance.count)))
    }

    @Test(
        "answers that do not",
        arguments: [
            ("101 Switching Protocols", "400 Bad Request", .status(400)),
            ("101 Switching", "503 Service", .status(503)),
            ("HTTP/1.1", "HTTP/1.0", .malformed), ("101 Switching Protocols", "1O1 x", .malformed),
            ("upgrade: WebSocket", "upgrade: h2c", .notUpgraded),
            ("connection: upgrade", "connection: close", .notUpgraded),
            ("s3pP", "S3pP", .accept), ("sec-websocket-accept", "x", .accept),
            ("protocol: mqtt", "protocol: mqttv3.1", .subprotocol), ("protocol: mqtt", "x: y", .subprotocol),
            ("server: Cowboy", "sec-websocket-extensions: permessage-deflate", .extension),
            ("server: Cowboy", "server : x", .malformed), ("HTTP", "\u{10}TTP", .malformed),
        ] as [(String, String, UpgradeResponseReader.Failure)])
    func refused(_ part: String, _ replacement: String, _ failure: UpgradeResponseReader.Failure) throws {
        let range = try #require(Self.good.firstRange(of: part))
        #expect(read(Self.good.replacingCharacters(in: range, with: replacement)) == .failure(failure))
    }

    @Test func `An answer is bounded`() {
        let many = (0..<65).map { "x-\($0): y\r\n" }.joined()
        #expect(read("HTTP/1.1 101 x\r\n\(many)\r\n") == .failure(.tooManyFields))
        #expect(read("HTTP/1.1 101 " + String(repeating: "x", count: 8192)) == .failure(.tooLong))
    }
}

extension String {
    /// The text with the characters in `range` replaced.
    func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
        String(self[..<range.lowerBound]) + text + String(self[range.upperBound...])
    }
}
