// Requests for a WebSocket: what is accepted with which values, and what is refused how.

import Testing
import WebSocket
import Wire

@Suite("WebSocket requests")
struct RequestTests {
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="

    /// A valid request with lines replaced (by name), removed (empty value) or added.
    static func request(_ start: String = "GET /mqtt HTTP/1.1", _ changes: [(String, String)] = []) -> [UInt8] {
        var lines = [
            ("Host", "mqtt.example.com"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Protocol", "mqtt"),
        ]
        for (name, value) in changes {
            let index = lines.firstIndex { $0.0 == name }
            if let index, value.isEmpty {
                lines.remove(at: index)
            } else if let index {
                lines[index].1 = value
            } else {
                // A name that begins with a plus stands beside what is there.
                lines.append((name.hasPrefix("+") ? String(name.dropFirst()) : name, value))
            }
        }
        let fields = lines.map { "\($0.0): \($0.1)\r\n" }.joined()
        return Array("\(start)\r\n\(fields)\r\n".utf8)
    }

    static func read(
        _ bytes: [UInt8], _ policy: UpgradePolicy = UpgradePolicy()
    ) -> Result<UpgradeRequestReader.Outcome, UpgradeRefusal> {
        var reader = UpgradeRequestReader(policy: policy)
        do throws(UpgradeRefusal) { return .success(try reader.read(bytes.span)) } catch { return .failure(error) }
    }

    /// Reads whole, byte by byte and glued to a frame; the same verdict each time.
    static func readAnyCut(
        _ bytes: [UInt8], _ policy: UpgradePolicy = UpgradePolicy(), _ location: SourceLocation = #_sourceLocation
    ) -> Result<UpgradeRequestReader.Outcome, UpgradeRefusal> {
        let whole = read(bytes, policy)
        if whole != .success(.needMore) {
            #expect(read(bytes + [0x82, 0x80, 0, 0, 0, 0], policy) == whole, "glued", sourceLocation: location)
        }
        var reader = UpgradeRequestReader(policy: policy)
        var verdict: Result<UpgradeRequestReader.Outcome, UpgradeRefusal> = .success(.needMore)
        for count in 0...bytes.count {
            do throws(UpgradeRefusal) {
                verdict = .success(try reader.read(bytes.span.extracting(0..<count)))
            } catch {
                verdict = .failure(error)
            }
            if verdict != .success(.needMore) { break }
        }
        #expect(verdict == whole, "byte by byte", sourceLocation: location)
        return whole
    }

    static func accepted(
        _ bytes: [UInt8], _ policy: UpgradePolicy = UpgradePolicy(), _ location: SourceLocation = #_sourceLocation
    ) throws -> UpgradeRequest {
        guard case .request(let request) = try readAnyCut(bytes, policy, location).get() else {
            throw UpgradeRefusal(.malformed)
        }
        return request
    }

    @Test func `The usual request and its answer`() throws {
        let bytes = Self.request()
        let request = try Self.accepted(bytes)
        #expect(request.host == "mqtt.example.com" && request.path == "/mqtt" && request.query == nil)
        #expect(request.key == Self.key && request.subprotocol == .mqtt && request.origin == nil)
        #expect(request.forwardedFor == nil && request.length == bytes.count)
        let answer = """
            HTTP/1.1 101 Switching Protocols\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
            Sec-WebSocket-Protocol: mqtt\r
            \r

            """
        #expect(String(decoding: request.acceptance, as: UTF8.self) == answer)
    }

    @Test func `A browser's request, as it really comes`() throws {
        let bytes = Array(
            """
            GET /mqtt?token=a%20b?c HTTP/1.1\r
            host: MQTT.example.com:8083\r
            CONNECTION: keep-alive, Upgrade\r
            Pragma: no-cache\r
            User-Agent: Mozilla/5.0 (X11; Linux x86_64) \u{E9}t\u{E9}\r
            Upgrade:WebSocket\t \r
            Origin: https://app.example.com\r
            Sec-WebSocket-Version: 13\r
            Cookie: \r
            Sec-WebSocket-Key:\(Self.key)\r
            Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r
            Sec-WebSocket-Protocol: wamp\r
            Sec-WebSocket-Protocol: mqttv3.1 , mqtt\r
            X-Forwarded-For: 192.0.2.1\r
            X-Forwarded-For: 10.0.0.1, 10.0.0.2\r
            \r

            """.utf8)
        let request = try Self.accepted(bytes)
        #expect(request.host == "MQTT.example.com:8083" && request.hostName == "mqtt.example.com")
        #expect(request.path == "/mqtt" && request.query == "token=a%20b?c")
        #expect(request.subprotocol == .mqtt && request.origin == "https://app.example.com")
        #expect(request.forwardedFor == "192.0.2.1, 10.0.0.1, 10.0.0.2")
        #expect(!String(decoding: request.acceptance, as: UTF8.self).contains("Extensions"))
    }

    @Test(
        "subprotocols",
        arguments: [
            ("mqtt", .mqtt), ("mqttv3.1", .mqttv31), ("mqttv3.1, mqtt", .mqtt), ("x,mqttv3.1 ,,y", .mqttv31),
            ("MQTT", nil), ("mqtt5", nil), ("", nil),
        ] as [(String, Subprotocol?)])
    func subprotocols(_ offered: String, _ chosen: Subprotocol?) throws {
        let bytes = Self.request("GET / HTTP/1.1", [("Sec-WebSocket-Protocol", offered)])
        let lenient = UpgradePolicy(requiresSubprotocol: false)
        let request = try Self.accepted(bytes, lenient)
        #expect(request.subprotocol == chosen)
        let answer = String(decoding: request.acceptance, as: UTF8.self)
        #expect(answer.contains("Sec-WebSocket-Protocol") == (chosen != nil))
        if chosen == nil { #expect(Self.readAnyCut(bytes) == .failure(UpgradeRefusal(.subprotocolMissing))) }
    }

    @Test(
        "hosts and targets",
        arguments: [
            ("/", "a", "a", "/", "a"), ("/mqtt/", "A:80", "A:80", "/mqtt/", "a"),
            ("/a/../b", "[::1]:8083", "[::1]:8083", "/a/../b", "[::1]"),
            ("http://b.example:8083/mqtt", "a", "b.example:8083", "/mqtt", "b.example"),
            ("WS://b.example", "a", "b.example", "/", "b.example"), ("ws://b?q", "a", "b", "/", "b"),
            ("//x", "a", "a", "//x", "a"),
        ])
    func targets(_ target: String, _ field: String, _ host: String, _ path: String, _ name: String) throws {
        let request = try Self.accepted(Self.request("GET \(target) HTTP/1.1", [("Host", field)]))
        #expect(request.host == host && request.path == path && request.hostName == name)
    }

    @Test(
        "refusals",
        arguments: [
            ("POST /mqtt HTTP/1.1", [], .methodNotAllowed), ("get /mqtt HTTP/1.1", [], .methodNotAllowed),
            ("OPTIONS * HTTP/1.1", [], .methodNotAllowed), ("CONNECT a:1 HTTP/1.1", [], .methodNotAllowed),
            ("GET /mqtt HTTP/1.0", [], .versionNotSupported), ("GET /mqtt HTTP/2.0", [], .versionNotSupported),
            ("GET /mqtt HTTP/x", [], .malformed), ("GET /mqtt", [], .malformed),
            ("GET  /mqtt HTTP/1.1", [], .malformed),
            ("GET /mq tt HTTP/1.1", [], .malformed), ("GET mqtt HTTP/1.1", [], .malformed),
            ("GET /m#x HTTP/1.1", [], .malformed), ("GET /m\u{E9} HTTP/1.1", [], .malformed),
            ("G@T / HTTP/1.1", [], .malformed), ("GET http:///x HTTP/1.1", [], .host),
            ("GET http://u@h/x HTTP/1.1", [], .host),
            ("GET / HTTP/1.1", [("Host", "")], .host), ("GET / HTTP/1.1", [("+Host", "b")], .host),
            ("GET / HTTP/1.1", [("Host", "a b")], .host), ("GET / HTTP/1.1", [("Host", "a/b")], .host),
            ("GET / HTTP/1.1", [("Upgrade", "")], .upgradeRequired),
            ("GET / HTTP/1.1", [("Upgrade", "h2c")], .upgradeRequired),
            ("GET / HTTP/1.1", [("Connection", "")], .upgradeRequired),
            ("GET / HTTP/1.1", [("Connection", "close, upgraded")], .upgradeRequired),
            ("GET / HTTP/1.1", [("Sec-WebSocket-Version", "")], .versionRequired),
            ("GET / HTTP/1.1", [("Sec-WebSocket-Version", "8")], .versionRequired),
            ("GET / HTTP/1.1", [("+Sec-WebSocket-Version", "13")], .versionRequired),
            ("GET / HTTP/1.1", [("Sec-WebSocket-Key", "")], .key),
            ("GET / HTTP/1.1", [("Sec-WebSocket-Key", "c2hvcnQ=")], .key),
            ("GET / HTTP/1.1", [("+Sec-WebSocket-Key", key)], .key),
            ("GET / HTTP/1.1", [("Content-Length", "5")], .body),
            ("GET / HTTP/1.1", [("Content-Length", "0"), ("+Content-Length", "9")], .body),
            ("GET / HTTP/1.1", [("Transfer-Encoding", "chunked")], .body),
            ("GET / HTTP/1.1", [("X-Forwarded-For", "\u{E9}")], .malformed),
            ("GET / HTTP/1.1", [("Origin", "a"), ("+Origin", "b")], .malformed),
            ("GET / HTTP/1.1", [("X Y", "z")], .malformed), ("GET / HTTP/1.1", [(" X", "folded")], .malformed),
            ("GET / HTTP/1.1", [("X ", "space before the colon")], .malformed),
            ("GET / HTTP/1.1", [("", "z")], .malformed),
        ] as [(String, [(String, String)], UpgradeRefusal.Reason)])
    func refused(_ start: String, _ changes: [(String, String)], _ reason: UpgradeRefusal.Reason) {
        #expect(Self.readAnyCut(Self.request(start, changes)) == .failure(UpgradeRefusal(reason)))
    }

    @Test(
        "what is no request is refused at the byte that says so",
        arguments: [
            "10", "16", "'GET / HTTP/1.1' 0A", "'GET / HTTP/1.1' 0D20", "'GET /' 00", "0D",
            "'GET / HTTP/1.1' 0D0A'H: a' 7F",
        ])
    func malformed(_ text: String) {
        let bytes = hex(text)
        #expect(Self.read(bytes) == .failure(UpgradeRefusal(.malformed)))
        #expect(Self.read(bytes.dropLast()) == .success(.needMore))
        // A content length of nothing is no body.
        let zero = Self.read(Self.request("GET / HTTP/1.1", [("Content-Length", "0")]))
        #expect(throws: Never.self) { try zero.get() }
    }

    @Test func `Length and number of fields are bounded`() throws {
        let usual = Self.request()
        #expect(throws: Never.self) { try Self.accepted(usual, UpgradePolicy(maximumLength: usual.count)) }
        let short = UpgradePolicy(maximumLength: usual.count - 1)
        #expect(Self.readAnyCut(usual, short) == .failure(UpgradeRefusal(.headTooLarge)))
        let endless = [UInt8](repeating: UInt8(ascii: "A"), count: 8192)
        #expect(Self.read(Array(endless.dropLast())) == .success(.needMore))
        #expect(Self.read(endless) == .failure(UpgradeRefusal(.headTooLarge)))
        let many = Self.request("GET / HTTP/1.1", (0..<58).map { ("X-\($0)", "y") })
        #expect(throws: Never.self) { try Self.accepted(many) }
        let more = Self.request("GET / HTTP/1.1", (0..<59).map { ("X-\($0)", "y") })
        #expect(Self.readAnyCut(more) == .failure(UpgradeRefusal(.tooManyFields)))
    }

    @Test("every refusal is a whole answer", arguments: UpgradeRefusal.Reason.allCases)
    func responses(_ reason: UpgradeRefusal.Reason) throws {
        let text = String(decoding: UpgradeRefusal(reason).response, as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1).map(String.init)
        let lines = parts[0].split(separator: "\r\n").map(String.init)
        #expect(lines[0] == "HTTP/1.1 \(reason.status.rawValue) \(reason.status.phrase)")
        #expect(lines.contains("Content-Length: \(parts[1].utf8.count)"))
        #expect(lines.filter { $0.hasPrefix("Connection:") }.count == 1)
        #expect(lines.contains("Allow: GET") == (reason.status == .methodNotAllowed))
        #expect(lines.contains("Sec-WebSocket-Version: 13") == (reason.status == .upgradeRequired))
        #expect(parts[1] == reason.text + "\n")
        #expect(reason.name.allSatisfy { "abcdefghijklmnopqrstuvwxyz-".contains($0) })
    }

    @Test("mutated requests never trap", arguments: 1...4 as ClosedRange<UInt64>)
    func mutations(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let corpus = [Self.request(), Self.request("GET http://a/b?c HTTP/1.1", [("X-Forwarded-For", "1.2.3.4, ::1")])]
        let bytes: [UInt8] = [0, 9, 10, 13, 32, 44, 58, 63, 127, 0xFF]
        for round in 0..<1500 {
            var request = corpus[round & 1]
            for _ in 0..<Int.random(in: 1...4, using: &random) where request.count > 1 {
                let index = Int.random(in: 0..<request.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: request[index] = bytes.randomElement(using: &random) ?? 0
                case 1: request.insert(bytes.randomElement(using: &random) ?? 0, at: index)
                case 2: request.remove(at: index)
                default: request.removeLast(min(request.count - 1, request.count - index))
                }
            }
            let verdict = round % 20 == 0 ? Self.readAnyCut(request) : Self.read(request)
            guard case .success(.request(let accepted)) = verdict else { continue }
            #expect(accepted.length <= request.count && accepted.path.hasPrefix("/"), "seed \(seed), round \(round)")
            // What is accepted can be asked of a server.
            var offer = UpgradeOffer(host: accepted.host, target: accepted.path, key: Self.key)
            offer.forwardedFor = accepted.forwardedFor
            offer.origin = accepted.origin
            #expect(throws: Never.self, "seed \(seed), round \(round)") { try offer.encode() }
        }
    }
}
