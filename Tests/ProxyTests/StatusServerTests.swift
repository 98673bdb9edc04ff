// The status pages over real connections.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("The status pages")
struct StatusServerTests {
    private static let status: JSON = [
        "serving": true, "sessions": 3, "listeners": [
            [
                "name": "mqtt", "binds": ["*:1883"], "sessions": 3, "active": true,
                "totals": ["accepted": 9, "established": 5, "refused": 2, "bytes_up": 70, "bytes_down": 80],
            ]
        ],
        "backends": [
            [
                "name": "emqx",
                "servers": [
                    [
                        "name": "a<b>\"", "address": "10.0.0.1:1883", "status": "up", "since_ms": 5000, "sessions": 2,
                        "weight": 3, "last_check": "check passed",
                    ],
                    ["name": "c", "address": "10.0.0.2:1883", "status": "down", "sessions": 0, "weight": 1, "backup": true],
                ],
            ]
        ],
        "counters": [
            "accepted": 9, "established": 5, "sessions-open": 4, "chunks-in-use": 1, "limit-sessions": 1,
            "ends": ["client-closed": 4, "idle": 1],
        ],
    ]

    /// A server on a thread of its own, and its address.
    private static func serving<Value>(
        _ body: (SocketAddress) throws -> Value
    ) throws -> (Value, served: UInt64, refused: UInt64) {
        let listener = try Listener()
        let bell = try Bell()
        let number = listener.number
        let worker = try Worker { () throws -> (UInt64, UInt64) in
            let loop = try EventLoop()
            let server = StatusServer(on: loop) { status }
            #expect(server.listen(on: [number]).isEmpty)
            try loop.add(bell.number, .readable) { [unowned loop] _ in loop.stop() }
            try loop.run()
            return (server.served, server.refused)
        }
        let value = Result { try body(listener.address) }
        bell.ring()
        let (served, refused) = try worker.join()
        return (try value.get(), served, refused)
    }

    private static func ask(_ address: SocketAddress, _ request: String) throws -> (head: String, body: String) {
        let peer = try Peer(to: address)
        defer { peer.close() }
        try peer.send(id(request))
        let text = String(decoding: try peer.receiveToEnd().bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { throw Peer.Failure.timeout(text) }
        return (String(text[..<end.lowerBound]), String(text[end.upperBound...]))
    }

    private static func get(_ path: String) throws -> (head: String, body: String) {
        let ((head, body), served, _) = try serving { try ask($0, "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n") }
        #expect(served == 1)
        return (head, body)
    }

    @Test("have the text of stub_status, also for connections of MQTT", arguments: ["/status", "/stub_status", "/nginx_status?x=1"])
    func stub(path: String) throws {
        let (head, body) = try Self.get(path)
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain"))
        #expect(
            body == "Active connections: 5 \nserver accepts handled requests\n 10 9 1 \nReading: 0 Writing: 1 Waiting: 0 \n")
    }

    @Test("count who has not asked yet as NGINX does")
    func reading() throws {
        let (body, served, _) = try Self.serving { address -> String in
            let silent = try Peer(to: address)
            defer { silent.close() }
            // Accepted before who comes later.
            return try Self.ask(address, "GET /status HTTP/1.0\r\n\r\n").body
        }
        #expect(body == "Active connections: 6 \nserver accepts handled requests\n 11 10 1 \nReading: 1 Writing: 1 Waiting: 0 \n")
        #expect(served == 1)
    }

    @Test("have a page that loads itself again, and in which no name is markup")
    func html() throws {
        let (head, body) = try Self.get("/")
        #expect(head.contains("text/html") && head.contains("Content-Length: \(body.utf8.count)"))
        #expect(body.contains("http-equiv=\"refresh\" content=\"2\""))
        #expect(body.contains("<td>a&lt;b&gt;&quot;</td><td>10.0.0.1:1883</td><td>up</td><td>5 s</td><td>2</td>"))
        #expect(body.contains("serves 3 sessions") && body.contains("<td>client-closed</td><td>4</td>"))
    }

    @Test("have numbers for programs: JSON, CSV, Prometheus")
    func programs() throws {
        let json = try JSON(parsing: Array(try Self.get("/status.json").body.utf8).span)
        #expect(json["sessions"]?.integer == 3)
        let csv = try Self.get("/status.csv").body.split(separator: "\n").map(String.init)
        #expect(csv[0].hasPrefix("# pxname,svname,scur,"))
        #expect(csv[1] == "mqtt,FRONTEND,3,,,5,70,80,2,OPEN,,,,,*:1883")
        #expect(csv[2] == "emqx,\"a<b>\"\"\",2,,,,,,,UP,3,0,,5,10.0.0.1:1883")
        #expect(csv.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 15 })
        let metrics = try Self.get("/metrics").body.split(separator: "\n").map(String.init)
        for line in [
            "# TYPE understudy_accepted_total counter", "understudy_accepted_total 9", "understudy_sessions_open 4",
            "understudy_ends_total{reason=\"idle\"} 1", "understudy_listener_bytes_up_total{listener=\"mqtt\"} 70",
            "understudy_server_up{backend=\"emqx\",server=\"a<b>\\\"\"} 1",
            "understudy_server_up{backend=\"emqx\",server=\"c\"} 0",
        ] {
            #expect(metrics.contains(line), "\(line)")
        }
    }

    @Test("take whatever is asked: other paths, methods, pieces, nonsense, nothing")
    func others() throws {
        let (_, served, refused) = try Self.serving { address in
            #expect(try Self.ask(address, "GET /nothing HTTP/1.1\r\n\r\n").head.hasPrefix("HTTP/1.1 404 "))
            #expect(try Self.ask(address, "POST / HTTP/1.1\r\n\r\n").head.hasPrefix("HTTP/1.1 405 "))
            #expect(try Self.ask(address, "\u{10}\u{10}MQTT").head.hasPrefix("HTTP/1.1 400 "))
            let long = "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 9000)
            #expect(try Self.ask(address, long).head.hasPrefix("HTTP/1.1 431 "))
            let head = try Self.ask(address, "HEAD /metrics HTTP/1.0\r\n\r\n")
            #expect(head.head.hasPrefix("HTTP/1.1 200 ") && head.body.isEmpty)
            let slow = try Peer(to: address)
            for byte in id("GET /stub_status HTTP/1.1\r\n\r\n") { try slow.send([byte]) }
            #expect(String(decoding: try slow.receiveToEnd().bytes, as: UTF8.self).contains("Active connections"))
            slow.close()
        }
        #expect(served == 3 && refused == 3)
    }

    @Test("are served to others while some say nothing, and to more than there is room for")
    func silent() throws {
        let (_, served, _) = try Self.serving { address in
            let mute = try (0..<StatusServer.maximumConnections + 5).map { _ in try Peer(to: address) }
            defer { mute.forEach { $0.close() } }
            // The silent ones are sent away after their time; then it is somebody else's turn.
            #expect(try Self.ask(address, "GET /stub_status HTTP/1.1\r\n\r\n").head.contains("200 OK"))
        }
        #expect(served == 1)
    }
}
