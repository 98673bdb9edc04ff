// Records as syslog servers read them.

import Linux
package import Wire

/// A syslog server, and how records look on their way there.
package struct SyslogSink: Sendable, Hashable {
    /// Where the server is.
    package enum Place: Sendable, Hashable {
        case udp(SocketAddress)
        /// A Unix datagram socket: `/dev/log`.
        case socket(path: String)
    }

    /// The two forms that servers know.
    package enum Format: Sendable, Hashable { case rfc3164, rfc5424 }

    /// Octets of one datagram; a longer record is cut off. What common servers take by default.
    package static let datagramLimit = 8192

    package var place: Place
    /// 0...23 (RFC 5424, table 1).
    package var facility: Int
    package var format: Format

    package init(_ place: Place, facility: Int = 3, format: Format = .rfc3164) {
        precondition((0...23).contains(facility), "facility \(facility)")
        self.place = place
        self.facility = facility
        self.format = format
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// One record as a datagram.
    ///
    /// RFC 3164 (4.1) has local time and no year, and the host's name only where a stranger reads it; RFC 5424 (6) has the
    /// whole time and the process as the kind of message.
    package func datagram(_ record: LogRecord, process: String, pid: Int32, host: String) -> [UInt8] {
        let priority = facility * 8 + record.level.rawValue
        let head: String
        switch format {
        case .rfc3164:
            let time = LocalTime(microseconds: record.time)
            let name = if case .udp = place { host + " " } else { "" }
            head =
                "<\(priority)>\(Self.months[max(0, min(11, time.month - 1))]) \(Self.padded(time.day, " ")) "
                + "\(Self.padded(time.hour, "0")):\(Self.padded(time.minute, "0")):\(Self.padded(time.second, "0")) "
                + "\(name)understudy-\(process)[\(pid)]: "
        case .rfc5424:
            head = "<\(priority)>1 \(LogRecord.timestamp(record.time)) \(host) understudy \(pid) \(process) - "
        }
        var bytes = Array((head + record.text).utf8)
        if bytes.count > Self.datagramLimit {
            // Not in the middle of a character.
            var end = Self.datagramLimit
            while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
            bytes.removeLast(bytes.count - end)
        }
        return bytes
    }

    private static func padded(_ number: Int, _ pad: String) -> String { (number < 10 ? pad : "") + String(number) }
}
