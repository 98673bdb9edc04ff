// The log and the counters.

import Linux
import Telemetry
import Testing
import Wire

@Suite("A log")
struct LogTests {
    @Test("writes one sentence and its fields on a line, with the time in UTC")
    func line() {
        let record = LogRecord(
            .notice, at: 1_795_204_295_123_456, "Became active.",
            ["router": "mqtt", "priority": 150, "why": "no advertisement for 300ms", "empty": ""])
        #expect(
            record.line(process: "vip")
                == "2026-11-20T19:51:35.123456Z notice vip: Became active. router=mqtt priority=150 "
                + "why=\"no advertisement for 300ms\" empty=\"\"\n")
        #expect(record.prefixedLine(process: "vip").hasPrefix("<5>vip: Became active. router=mqtt"))
    }

    @Test(
        "knows the calendar",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (1_735_689_599_000_001, "2024-12-31T23:59:59.000001Z"),
        ] as [(Int64, String)])
    func calendar(microseconds: Int64, text: String) {
        #expect(LogRecord(.info, at: microseconds, "x").line(process: "p").hasPrefix(text + " "))
    }

    @Test("lets no client forge a record or steer a terminal")
    func hostile() {
        let record = LogRecord(
            .info, at: 0, "Refused.",
            ["client": "a\n<0>forged\u{1B}[2J\u{202E}\"=", "long": String(repeating: "é", count: 2000)])
        #expect(record.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0.value != 0x202E })
        #expect(record.text.utf8.count < 700)
        let datagram = String(decoding: record.journalDatagram(process: "p", pid: 1), as: UTF8.self)
        #expect(datagram.split(separator: "\n").count == 7)
        #expect(datagram.split(separator: "\n").allSatisfy { $0.contains("=") })
    }

    @Test("admits a burst, suppresses the rest and says how many")
    func limiter() {
        var limiter = LogLimiter()
        let key = LogLimiter.Key(file: "file", line: 1)
        let other = LogLimiter.Key(file: "file", line: 2)
        var now = Instant.zero
        var admitted = 0
        for _ in 0..<100 where limiter.admit(key, .info, "Refused.", at: now) { admitted += 1 }
        #expect(admitted == LogLimiter.burst)
        let isOtherAdmitted = limiter.admit(other, .info, "Other.", at: now)
        #expect(isOtherAdmitted)
        #expect(limiter.nextDeadline == Instant.zero + LogLimiter.window)
        let before = limiter.expired(at: now)
        #expect(before.isEmpty)
        now += LogLimiter.window
        // Not admitted before what was suppressed is told.
        let isLateAdmitted = limiter.admit(key, .info, "Refused.", at: now)
        #expect(!isLateAdmitted)
        let reports = limiter.expired(at: now)
        #expect(reports.map(\.suppressed) == [UInt64(100 - LogLimiter.burst + 1)])
        #expect(reports.first?.sentence == "Refused.")
        let isNextAdmitted = limiter.admit(key, .info, "Refused.", at: now)
        #expect(isNextAdmitted)
    }

    @Test("carries records of several threads to its descriptor, in order for each, and none below its level")
    func threads() throws {
        let pair = try Socket.messagePair()
        let log = try Log(process: "test", level: .info, sink: .lines(descriptor: pair.first.number))
        try log.start()
        let other = try Thread(name: "other") {
            for number in 0..<10 { log.notice("From the other.", ["number": number]) }
        }
        for number in 0..<10 { log.info("From here.", ["number": number]) }
        log.debug("Not this.")
        other.join()
        log.close()
        var lines: [String] = []
        while let (bytes, _) = try? UnixSocket.receive(pair.second.number, limit: 10_000) {
            lines.append(String(decoding: bytes, as: UTF8.self))
        }
        // A thread that is suspended while it holds the lock costs the others records, never time: on a busy machine some
        // are lost, but each that is gives notice.
        let records = lines.filter { !$0.contains("were lost") }
        #expect(records.count + Int(log.lostRecords) == 20)
        for who in ["From here.", "From the other."] {
            let numbers = records.filter { $0.contains(who) }.compactMap { line in
                line.split(separator: "=").last.flatMap { Int($0.dropLast()) }
            }
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count && !numbers.isEmpty)
        }
    }

    @Test("never waits for a reader that does not read, and counts what it lost")
    func stalled() throws {
        // Nobody empties the ring: the writer thread was not started.
        let log = try Log(process: "test", sink: .lines(descriptor: 2))
        // Each call from another place in the program, so that only the ring is the limit.
        for number in 0..<(Log.capacity + 100) { log.notice("Event.", line: UInt(number)) }
        #expect(log.lostRecords > 0)
    }
}

@Suite("Metrics")
struct MetricsTests {
    @Test("are found by name and labels, and shown in the order they came")
    func metrics() {
        let metrics = Metrics()
        let connects = metrics.counter("connects_total", "CONNECT packets accepted.")
        connects.add()
        metrics.counter("connects_total", "CONNECT packets accepted.").add(4)
        metrics.gauge("sessions", "Client sessions now.", [.init("server", "emqx1")]).set(7)
        #expect(connects.value == 5)
        #expect(metrics.json.text == #"{"connects_total":5,"sessions{server=\"emqx1\"}":7}"#)
        #expect(metrics.samples.map(\.kind) == [.counter, .gauge])
    }
}

@Suite("Log targets")
struct LogTargetTests {
    private static let loopback = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0)

    @Test("syslog has both forms of record, and cuts what is too long between characters")
    func syslog() throws {
        let record = LogRecord(.warning, at: 1_750_000_000_123_456, "Something is wrong.", ["why": "é"])
        let address = try #require(SocketAddress("10.0.0.5:514"))
        func text(_ sink: SyslogSink) -> String {
            String(decoding: sink.datagram(record, process: "vip", pid: 7, host: "lb1"), as: UTF8.self)
        }
        let old = text(SyslogSink(.udp(address), facility: 19))
        #expect(
            old.wholeMatch(
                of: #/<156>Jun 1\d \d\d:\d\d:\d\d lb1 understudy-vip\[7\]: Something is wrong\. why=é/#) != nil, "\(old)")
        // On the host itself nobody asks for its name.
        let own = text(SyslogSink(.socket(path: "/dev/log"), facility: 3))
        #expect(own.wholeMatch(of: #/<28>.{15} understudy-vip\[7\]: .*/#) != nil, "\(own)")
        let new = text(SyslogSink(.udp(address), facility: 19, format: .rfc5424))
        #expect(new == "<156>1 2025-06-15T15:06:40.123456Z lb1 understudy 7 vip - Something is wrong. why=é")
        let long = LogRecord(
            .info, at: 0, line: String(repeating: "é", count: 10_000), fields: [])
        let bytes = SyslogSink(.udp(address)).datagram(long, process: "p", pid: 1, host: "h")
        #expect(bytes.count <= SyslogSink.datagramLimit && bytes.count > SyslogSink.datagramLimit - 4)
        #expect(String(validating: bytes, as: UTF8.self) != nil)
    }

    @Test("several take the same records, each from its own level on, and are changed while the log runs")
    func several() throws {
        let first = try DatagramSocket.receiver(at: Self.loopback)
        let second = try DatagramSocket.receiver(at: Self.loopback)
        func target(_ socket: borrowing FileDescriptor, _ level: LogLevel?) throws -> LogTarget {
            let address = try #require(Socket.localAddress(socket.number))
            return LogTarget(.syslog(SyslogSink(.udp(address))), level: level)
        }
        func next(_ number: Int32) throws -> Substring? {
            try Descriptor.waitReadable(number, until: Clock.now + .seconds(20))
            return String(decoding: try Descriptor.read(number, limit: 10_000), as: UTF8.self).split(separator: ": ").last
        }
        let log = try Log(process: "test", level: .notice, sink: .lines(descriptor: 2))
        log.setTargets([try target(first, nil), try target(second, .debug)])
        try log.start()
        defer { log.close() }
        log.debug("A detail.")
        log.notice("A change.")
        #expect(try next(first.number) == "A change.")
        #expect(try next(second.number) == "A detail.")
        #expect(try next(second.number) == "A change.")
        log.setTargets([try target(first, .error)])
        log.warning("Not this.")
        log.error("A fault.")
        #expect(try next(first.number) == "A fault.")
        #expect(!log.isEnabled(.warning))
        #expect(log.undeliveredRecords == 0)
    }

    @Test("a pipe nobody reads costs its own records, and the other targets none")
    func stalled() throws {
        let pipe = try Pipe.make()
        let receiver = try DatagramSocket.receiver(at: Self.loopback)
        let address = try #require(Socket.localAddress(receiver.number))
        let log = try Log(process: "test", sink: .lines(descriptor: 2))
        log.setTargets([
            LogTarget(.lines(descriptor: pipe.second.number)), LogTarget(.syslog(SyslogSink(.udp(address)))),
        ])
        try log.start()
        // More than a pipe holds, each from another place in the program.
        let long = String(repeating: "x", count: 3000)
        for number in 0..<100 {
            log.notice("Event \(number). \(long)", line: UInt(number))
            try Descriptor.waitReadable(receiver.number, until: Clock.now + .seconds(20))
            let text = String(decoding: try Descriptor.read(receiver.number, limit: 10_000), as: UTF8.self)
            #expect(text.contains("Event \(number)."))
        }
        log.close()
        #expect(log.undeliveredRecords > 0)
    }
}
