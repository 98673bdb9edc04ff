// The writer's end of one log target: an open socket, and what it could not take.

import Linux
import Wire

/// Carries records to one target; used by the log's writer thread only.
///
/// A target that takes nothing costs its own records, never those of the others: a pipe that is full is waited for
/// ``patience`` and then left alone for ``rest``; sockets are never waited for.
final class LogOutlet {
    /// How long a pipe or terminal that is full may hold up the writer, in milliseconds.
    private static let patience: Int32 = 100
    /// How long it is not tried again.
    private static let rest: Duration = .seconds(1)
    /// What a pipe takes whole once it says that it takes anything: PIPE_BUF.
    private static let piece = 4096

    let target: LogTarget
    private let process: String
    private let host: String
    private var socket: Int32?
    private var restsUntil: Instant?
    /// Records that the target did not take.
    private(set) var lost: UInt64 = 0

    init(_ target: LogTarget, process: String) {
        self.target = target
        self.process = process
        host = HostName.short
    }

    deinit { forget() }

    private func forget() {
        if let socket { Descriptor.close(socket) }
        socket = nil
    }

    /// Whether records of this level go here.
    func takes(_ level: LogLevel, logLevel: LogLevel) -> Bool { level.rawValue <= (target.level ?? logLevel).rawValue }

    /// Writes one record, or counts it as lost.
    func write(_ record: LogRecord) {
        if let end = restsUntil {
            guard Clock.now >= end else {
                lost += 1
                return
            }
            restsUntil = nil
        }
        let isWritten: Bool
        switch target.sink {
        case .lines(let descriptor): isWritten = write(record.line(process: process), to: descriptor)
        case .prefixedLines(let descriptor): isWritten = write(record.prefixedLine(process: process), to: descriptor)
        case .journal(let path):
            isWritten = send(record.journalDatagram(process: process, pid: ProcessSelf.pid)) { () throws(Errno) in
                try UnixDatagram.connect(to: path)
            } || LogOutlet(LogTarget(.toStandardError), process: process).writes(record)
        case .syslog(let syslog):
            let bytes = syslog.datagram(record, process: process, pid: ProcessSelf.pid, host: host)
            isWritten = send(bytes) { () throws(Errno) in
                switch syslog.place {
                case .udp(let address): try DatagramSocket.connect(to: address)
                case .socket(let path): try UnixDatagram.connect(to: path)
                }
            }
        }
        if !isWritten { lost += 1 }
    }

    /// Whether this record was written.
    private func writes(_ record: LogRecord) -> Bool {
        let before = lost
        write(record)
        return lost == before
    }

    private func write(_ line: String, to descriptor: Int32) -> Bool {
        let bytes = Array(line.utf8)
        var start = 0
        while start < bytes.count {
            let end = min(start + Self.piece, bytes.count)
            guard Descriptor.isWritable(descriptor, within: Self.patience) else {
                restsUntil = Clock.now + Self.rest
                return false
            }
            do { try Descriptor.writeAll(descriptor, Array(bytes[start..<end])) } catch { return false }
            start = end
        }
        return true
    }

    /// Sends a datagram; twice, because the first refusal may belong to an earlier datagram (UDP) or to a server that has
    /// been restarted since (Unix).
    private func send(_ bytes: [UInt8], _ open: () throws(Errno) -> FileDescriptor) -> Bool {
        for _ in 0..<2 {
            do throws(Errno) {
                let number: Int32
                if let socket {
                    number = socket
                } else {
                    number = try open().release()
                    socket = number
                }
                try UnixSocket.send(number, bytes)
                return true
            } catch {
                forget()
                // UDP says so of a datagram that was sent before: nobody listens there, and that one is lost.
                if error.code == Errno.connectionRefused, case .syslog(let syslog) = target.sink,
                    case .udp = syslog.place
                {
                    lost += 1
                }
                // A queue that is full is not emptied by asking again.
                if error.isWouldBlock { return false }
            }
        }
        return false
    }
}
