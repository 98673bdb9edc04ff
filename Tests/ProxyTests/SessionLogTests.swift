// The session log, field by field, as a syslog server receives it.

import Balancing
import Configuration
import Linux
import MQTT
import Telemetry
import Testing
import Wire

@testable import Proxy

@Suite("The session log")
struct SessionLogTests {
    /// `name=value` words of a record; quoted values are read as JSON.
    private func fields(_ text: Substring) throws -> [String: String] {
        var fields: [String: String] = [:]
        var rest = text
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].split(separator: " ").last.map(String.init) ?? ""
            rest = rest[rest.index(after: equals)...]
            var end = rest.firstIndex(of: " ") ?? rest.endIndex
            if rest.first == "\"" {
                end = rest.index(after: rest.startIndex)
                var isEscaped = false
                while end < rest.endIndex, isEscaped || rest[end] != "\"" {
                    isEscaped = !isEscaped && rest[end] == "\\"
                    end = rest.index(after: end)
                }
                if end < rest.endIndex { end = rest.index(after: end) }
                fields[name] = try JSON(parsing: Array(String(rest[..<end]).utf8).span).string
            } else {
                fields[name] = String(rest[..<end])
            }
            rest = rest[end...]
        }
        return fields
    }

    @Test("writes HAProxy's line and the fields of MQTT behind it")
    func tcplog() throws {
        let server = try LogServer(.tcplog)
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], recording: server.recording())
        let client = try rig.client()
        let packet = try connect("meter-7", .v5, keepAlive: 60, username: id("line 4"))
        try client.exchange(packet, expecting: accepted(.v5))
        try client.exchange(pingreq, expecting: pingreq)
        let port = try #require(Socket.localAddress(client.number)).port
        client.close()
        let text = try server.receive()
        // local3 (19) × 8 + info (6).
        let pattern =
            /<158>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d [^ ]+ understudy-balancer\[\d+\]: (\S+):(\d+) \[(\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d\.\d{3})\] (\S+) (\S+)\/(\S+) (\d+)\/(\d+)\/(\d+) (\d+) (..) (\d+)\/(\d+)\/(\d+)\/(\d+)\/(\d+) 0\/0 (.*)/
        let match = try #require(try pattern.wholeMatch(in: text), "\(text)").output
        #expect(match.1 == "127.0.0.1")
        #expect(match.2 == "\(port)")
        #expect((match.4, match.5, match.6) == ("mqtt", "emqx", "emqx0"))
        // Accept to CONNECT, the connection, the whole: none is longer than the whole.
        let times = [match.7, match.8, match.9].compactMap { Int($0) }
        #expect(times[0] <= times[2] && times[1] <= times[2])
        #expect(match.10 == "\(accepted(.v5).count + 2)")
        #expect(match.11 == "--")
        #expect([match.12, match.13, match.14, match.15, match.16] == ["1", "1", "1", "1", "0"])
        let fields = try fields(match.17)
        #expect(
            fields.filter { !$0.key.hasSuffix("_ms") } == [
                "client_id": "meter-7", "version": "5.0", "clean": "true", "keep_alive": "60", "user": "line 4",
                "why": "round-robin", "tries": "1", "connack": "0", "session_present": "false",
                "bytes_up": "\(packet.count + 2)", "bytes_down": "\(accepted(.v5).count + 2)", "cause": "client-closed",
            ])
        #expect(
            Set(fields.keys.filter { $0.hasSuffix("_ms") }) == ["connect_packet_ms", "connect_ms", "connack_ms", "total_ms"])
        rig.finish()
    }

    @Test("writes a record at the CONNACK too when asked for")
    func both() throws {
        let server = try LogServer(.tcplog)
        let broker = try Broker(.answer([0x20, 2, 1, 0]))
        defer { broker.stop() }
        let rig = try Rig([broker.address], recording: server.recording(.both))
        let client = try rig.client()
        try client.exchange(try connect("a"), expecting: [0x20, 2, 1, 0])
        let first = try server.receive()
        #expect(first.contains(#/ \d+\/\d+\/\+\d+ \+\d+ -- /#))
        #expect(try fields(first[...])["session_present"] == "true")
        #expect(try fields(first[...])["cause"] == nil)
        client.close()
        #expect(try fields(try server.receive()[...])["cause"] == "client-closed")
        rig.finish()
    }

    @Test("writes fields, and JSON, as they are asked for", arguments: [SyslogSink.Format.rfc3164, .rfc5424])
    func forms(wire: SyslogSink.Format) throws {
        let broker = try Broker()
        defer { broker.stop() }
        for form in [Configuration.LogSettings.SessionFormat.fields, .json] {
            let server = try LogServer(form, wire: wire)
            let rig = try Rig([broker.address], recording: server.recording())
            try rig.session("meter \"7\"", .v311, keepAlive: 30).close()
            let text = try server.receive()
            let head = try #require(
                wire == .rfc3164
                    ? text.prefixMatch(of: #/<158>.{15} \S+ understudy-balancer\[\d+\]: /#)?.range
                    : text.prefixMatch(
                        of: #/<158>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ understudy \d+ balancer - /#)?.range,
                "\(text)")
            let body = text[head.upperBound...]
            if form == .fields {
                #expect(body.hasPrefix("Session ended. client_id="))
                let fields = try fields(body)
                #expect(fields["client_id"] == "meter \"7\"")
                #expect((fields["listener"], fields["backend"], fields["server"]) == ("mqtt", "emqx", "emqx0"))
                #expect(fields["termination"] == "--")
            } else {
                let json = try JSON(parsing: Array(body.utf8).span)
                #expect(json["event"]?.string == "session-ended")
                #expect(json["client_id"]?.string == "meter \"7\"")
                #expect(json["version"]?.string == "3.1.1")
                #expect(json["keep_alive"]?.integer == 30)
                #expect(json["clean"]?.bool == true)
                #expect(json["server"]?.string == "emqx0")
            }
            rig.finish()
        }
    }

    @Test("lets no client forge a record, steer a terminal or fill the disk")
    func hostile() throws {
        let server = try LogServer(.tcplog)
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], recording: server.recording())
        // Control characters do not get past CONNECT here; what is left of the tricks does.
        try rig.session("a\u{202E}\" cause=forged \\\" cause=forged").close()
        let text = try server.receive()
        #expect(text.unicodeScalars.allSatisfy { !$0.steersTerminals }, "\(text.debugDescription)")
        let found = try fields(text[...])
        #expect(found["cause"] == "client-closed")
        #expect(found["client_id"] == "a\u{FFFD}\" cause=forged \\\" cause=forged")
        try rig.session(String(repeating: "é", count: 20_000)).close()
        let long = try server.receive()
        #expect(long.utf8.count < 1500)
        #expect(try fields(long[...])["client_id"]?.hasSuffix("…") == true)
        rig.finish()
    }

    @Test(
        "has no control character whatever the bytes are",
        arguments: Configuration.LogSettings.SessionFormat.allCases)
    func control(format: Configuration.LogSettings.SessionFormat) throws {
        let bytes: [UInt8] = (0...255).map { $0 } + Array("\u{9B}2J\u{2028}\u{200F}".utf8)
        var facts = SessionFacts()
        facts.username = bytes
        facts.serverName = String(decoding: bytes, as: UTF8.self)
        let record = SessionRecord(
            end: .init(cause: .clientReset, termination: "CD"), time: 2_000_000, accepted: 1_000_000,
            peer: SocketAddress(.v6(IPv6Address(high: 1, low: 2)), port: 3), listener: "l", backend: "b", server: nil,
            because: nil, clientID: bytes, original: bytes, level: 4, isCleanStart: true, keepAlive: 0, facts: facts, connack: nil,
            isSessionPresent: false, bytesUp: 1, bytesDown: 2, connectAfter: Slot.never, triedAfter: Slot.never,
            connectedAfter: Slot.never, connackAfter: Slot.never, counts: .init())
        let written = record.logRecord(format)
        #expect(written.text.unicodeScalars.allSatisfy { !$0.steersTerminals }, "\(written.text.debugDescription)")
        if format == .json {
            let json = try JSON(parsing: Array(written.text.utf8).span)
            #expect(json["server"] == nil)
            #expect(json["cause"]?.string == "client-reset")
        } else {
            #expect(try fields(written.text[...])["cause"] == "client-reset")
        }
        if format == .tcplog {
            #expect(written.text.hasPrefix("::1:0:0:0:2:3 ["))
            #expect(written.text.contains("] l b/<NOSRV> -1/-1/1000 2 CD 0/0/0/0/0 0/0 "))
        }
        let datagram = String(decoding: written.journalDatagram(process: "p", pid: 1), as: UTF8.self)
        #expect(datagram.split(separator: "\n").allSatisfy { $0.contains("=") })
        #expect(datagram.contains("\nUNDERSTUDY_CAUSE=client-reset\n"))
    }

    @Test("tells how each session ended")
    func endings() throws {
        let server = try LogServer(.fields)
        let broker = try Broker()
        defer { broker.stop() }
        let nobody = try Listener(isListening: false)
        func end(_ rig: Rig, _ expected: (cause: String, code: String), _ body: (Peer) throws -> Void) throws {
            let client = try rig.client()
            try body(client)
            let fields = try fields(try server.receive()[...])
            #expect((fields["cause"], fields["termination"]) == (expected.cause, expected.code))
            client.close()
        }
        let rig = try Rig(
            [broker.address], recording: server.recording(),
            listener: {
                $0.connectDeadline = .milliseconds(300)
                $0.idleTimeout = .milliseconds(300)
            })
        try end(rig, ("client-closed", "CR")) { client in
            try client.send([0x10])
            client.close()
        }
        try end(rig, ("connect-deadline", "cR")) { try $0.send([0x10]) }
        try end(rig, ("refused", "PR")) { try $0.send(Array("GET / HTTP/1.1\r\n\r\n".utf8)) }
        try end(rig, ("idle", "cD")) { try $0.exchange(try connect("a"), expecting: accepted()) }
        try end(rig, ("client-reset", "CD")) { client in
            try client.exchange(try connect("a"), expecting: accepted())
            client.reset()
        }
        try end(rig, ("shutdown", "KD")) { client in
            try client.exchange(try connect("a"), expecting: accepted())
            rig.finishNow()
        }
        let lost = try Rig([nobody.address], recording: server.recording(), backend: { $0.maximumTries = 1 })
        try end(lost, ("no-server", "SC")) { client in
            try client.send(try connect("a"))
            #expect(try client.receiveToEnd().bytes == refused(3))
            client.close()
        }
        lost.finish()
        let denied = try Rig(
            [broker.address], recording: server.recording(), listener: { $0.admission.access = [.init(.deny, .all)] })
        try end(denied, ("denied", "PR")) { client in
            try client.send(try connect("a"))
            #expect(try client.receiveToEnd().bytes == refused(5))
            client.close()
        }
        denied.finish()
    }

    @Test("tells whom a limit or rule closed without a word")
    func silent() throws {
        let server = try LogServer(.fields)
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address], recording: server.recording(),
            listener: {
                $0.admission.access = [.init(.deny, .all)]
                $0.admission.refusesSilently = true
            })
        let client = try rig.client()
        #expect(try client.receiveToEnd().bytes == [])
        let record = try fields(try server.receive()[...])
        #expect((record["cause"], record["termination"], record["listener"]) == ("denied", "PR", "mqtt"))
        #expect(record["client"]?.hasPrefix("127.0.0.1:") == true)
        #expect(rig.listener.totals[.refused] == 1 && rig.listener.totals[.accepted] == 1)
        client.close()
        rig.finish()
    }

    @Test("has the client ID that the device sent beside the one servers see")
    func original() throws {
        let server = try LogServer(.fields)
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address], recording: server.recording(.both),
            listener: { $0.rewriting.clientID = .from(.sourceAddress, keyFile: nil) })
        try rig.session("device-1").close()
        for event in ["begin", "end"] {
            let record = try fields(try server.receive()[...])
            #expect((record["client_id"], record["original_client_id"]) == ("127.0.0.1", "device-1"), "\(event)")
        }
        let plain = try Rig([broker.address], recording: server.recording())
        try plain.session("device-2").close()
        #expect(try fields(try server.receive()[...])["original_client_id"] == nil)
        plain.finish()
        rig.finish()
    }

    @Test("leaves out who said nothing, unless asked for")
    func empty() throws {
        let server = try LogServer(.fields)
        let broker = try Broker()
        defer { broker.stop() }
        let quiet = try Rig([broker.address], recording: server.recording())
        try quiet.client().close()
        quiet.settles()
        try quiet.session("a").close()
        #expect(try fields(try server.receive()[...])["client_id"] == "a")
        quiet.finish()
        #expect(server.isEmpty)
        let thorough = try Rig([broker.address], recording: server.recording(empty: true))
        try thorough.client().close()
        let record = try fields(try server.receive()[...])
        #expect((record["client_id"], record["bytes_up"], record["termination"]) == (nil, "0", "CR"))
        thorough.finish()
    }

    @Test("costs records and no time when nobody fetches them, and counts them")
    func bounded() throws {
        let sessions = SessionLog(loops: 1, wake: {})
        var settings = Configuration.LogSettings()
        settings.sessions = .end
        settings.logsEmptySessions = true
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], recording: SessionRecording(settings, sessions))
        // In portions: more than the listener's queue holds would be lost before anybody could count them.
        for portion in 1...83 {
            for _ in 0..<50 { try rig.client().close() }
            #expect(eventually { rig.count(.accepted) == UInt64(50 * portion) })
        }
        rig.finish()
        #expect(rig.count(.sessionRecordsLost) == UInt64(83 * 50 - SessionLog.capacity))
        #expect(sessions.fetch().count == SessionLog.capacity)
        #expect(sessions.fetch().isEmpty)
    }

    @Test("goes on when its server is not there, and is heard again when it is back")
    func deadServer() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let server = try LogServer(.fields)
        // A port that nobody listens on: the kernel refuses what comes.
        let gone: SocketAddress
        do {
            let other = try DatagramSocket.receiver(at: SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0))
            gone = try #require(Socket.localAddress(other.number))
        }
        server.log.setTargets([LogTarget(.syslog(SyslogSink(.udp(gone))))])
        let rig = try Rig([broker.address], recording: server.recording())
        for number in 0..<20 { try rig.session("device-\(number)").close() }
        rig.settles()
        #expect(eventually { server.log.undeliveredRecords > 0 })
        server.log.setTargets([LogTarget(.syslog(SyslogSink(.udp(gone)))), LogTarget(.syslog(SyslogSink(.udp(server.address))))])
        try rig.session("heard").close()
        // What still waited when the targets changed comes before it.
        var heard: [String?] = []
        while heard.last != "heard", heard.count <= 20 { heard.append(try fields(try server.receive()[...])["client_id"]) }
        #expect(heard.last == "heard")
        rig.finish()
    }

    @Test("keeps nothing of sessions when it is off")
    func off() throws {
        let broker = try Broker()
        defer { broker.stop() }
        #expect(SessionRecording(Configuration.LogSettings(), SessionLog(loops: 1, wake: {})) == nil)
        let rig = try Rig([broker.address])
        try rig.session("a").close()
        rig.finish()
        #expect(rig.count(.sessionRecordsLost) == 0)
    }
}
