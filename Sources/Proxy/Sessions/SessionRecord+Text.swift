// The forms of a session's record: fields, HAProxy's line, JSON.

import Balancing
import Configuration
import Linux
import MQTT
import TLS
import Telemetry
import Wire

extension SessionRecord {
    /// The record as the log writes it.
    func logRecord(_ format: Configuration.LogSettings.SessionFormat) -> LogRecord {
        let fields = fields
        switch format {
        case .fields:
            var record = LogRecord(.info, at: time, end == nil ? "Session began." : "Session ended.")
            for (name, value) in fields { record.add(name, Self.text(value)) }
            return record
        case .tcplog:
            let tail = fields.filter { !Self.inLine.contains($0.0) }
            let words = tail.map { "\($0.0)=" + LogRecord.quoted(Self.text($0.1)) }
            return LogRecord(
                .info, at: time, line: ([haproxyLine] + words).joined(separator: " "), fields: Self.texts(fields))
        case .json:
            let members = [JSON.Member("event", .string(end == nil ? "session-began" : "session-ended"))]
            let object = JSON.object(members + fields.map { JSON.Member($0.0, $0.1) })
            return LogRecord(.info, at: time, line: object.text, fields: Self.texts(fields))
        }
    }

    private static func texts(_ fields: [(String, JSON)]) -> [(name: String, value: String)] {
        fields.map { (name: $0.0, value: text($0.1)) }
    }

    private static func text(_ value: JSON) -> String { value.string ?? value.text }

    /// Fields that HAProxy's line has in places of their own.
    private static let inLine: Set = ["client", "listener", "backend", "server", "termination"]

    /// Everything that is known, under names that stay; what was not come to is left out.
    private var fields: [(String, JSON)] {
        var fields: [(String, JSON)] = []
        if level != 0 { fields.append(("client_id", .string(LogRecord.value(clientID)))) }
        if let original { fields.append(("original_client_id", .string(LogRecord.value(original)))) }
        fields.append(("client", .string("\(peer)")))
        if level != 0 {
            fields.append(("version", .string(ProtocolVersion(rawValue: level)?.text ?? "\(level)")))
            fields.append(("clean", JSON(isCleanStart)))
            fields.append(("keep_alive", JSON(keepAlive)))
            fields.append(("user", .string(LogRecord.value(facts.username))))
        }
        if let name = facts.tls?.certificate?.commonName, !name.isEmpty {
            fields.append(("certificate", .string(LogRecord.value(Array(name.utf8)))))
        }
        if let name = facts.serverName ?? facts.tls?.serverName {
            fields.append(("server_name", .string(LogRecord.value(Array(name.utf8)))))
        }
        fields.append(("listener", .string(listener)))
        fields.append(("backend", .string(backend)))
        if let server { fields.append(("server", .string(server))) }
        if let because { fields.append(("why", .string(because.rawValue))) }
        fields.append(("tries", JSON(counts.retries + (triedAfter == Slot.never ? 0 : 1))))
        if let connack {
            fields.append(("connack", JSON(connack)))
            fields.append(("session_present", JSON(isSessionPresent)))
        }
        fields.append(("bytes_up", JSON(bytesUp)))
        fields.append(("bytes_down", JSON(bytesDown)))
        if connectAfter != Slot.never { fields.append(("connect_packet_ms", JSON(Self.milliseconds(0, connectAfter)))) }
        if connectedAfter != Slot.never {
            fields.append(("connect_ms", JSON(Self.milliseconds(triedAfter, connectedAfter))))
        }
        if connackAfter != Slot.never, connectedAfter != Slot.never {
            fields.append(("connack_ms", JSON(Self.milliseconds(connectedAfter, connackAfter))))
        }
        fields.append(("total_ms", JSON(total)))
        if let end {
            fields.append(("cause", .string(end.cause.name)))
            fields.append(("termination", .string(end.termination)))
        }
        return fields
    }

    private var total: Int64 { max(0, time - accepted) / 1000 }

    /// Between two points of the session's life; -1 when it did not come to the second.
    private static func milliseconds(_ from: UInt32, _ to: UInt32) -> Int64 {
        to == Slot.never ? -1 : max(0, Int64(to) - Int64(from == Slot.never ? 0 : from)) / 1000
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// HAProxy's tcplog (configuration manual, 8.2.2): `%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc
    /// %sq/%bq`.
    ///
    /// `%Tw` is the time to the whole CONNECT, where HAProxy's would be the time in a queue; there are no queues, so the
    /// last pair is 0/0. In the record of the CONNACK the total and the bytes have a `+`, as with `logasap`.
    private var haproxyLine: String {
        let address = if case .v6(let v6) = peer.address { "\(v6)" } else { "\(peer.address)" }
        let local = LocalTime(microseconds: accepted)
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        let thousandths = String(1000 + accepted / 1000 % 1000).dropFirst()
        let date =
            "\(two(local.day))/\(Self.months[max(0, min(11, local.month - 1))])/\(local.year):\(two(local.hour)):"
            + "\(two(local.minute)):\(two(local.second)).\(thousandths)"
        let plus = end == nil ? "+" : ""
        let waited = Self.milliseconds(0, connectAfter)
        let connected = Self.milliseconds(triedAfter, connectedAfter)
        return "\(address):\(peer.port) [\(date)] \(listener) \(backend)/\(server ?? "<NOSRV>") "
            + "\(waited)/\(connected)/\(plus)\(total) \(plus)\(bytesDown) \(end?.termination ?? "--") "
            + "\(counts.all)/\(counts.listener)/\(counts.backend)/\(counts.server)/\(counts.retries) 0/0"
    }
}
