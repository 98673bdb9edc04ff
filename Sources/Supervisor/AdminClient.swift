// The other end of the admin socket: what the commands ask the running daemon.

package import Linux
package import Wire

/// Asks the daemon one thing.
package enum AdminClient {
    /// Why there is no answer.
    package enum Failure: Error, CustomStringConvertible {
        /// Nobody listens: the daemon is not running.
        case notRunning
        case noPermission(path: String)
        case failed(Errno)
        /// It does not answer in time.
        case silent(Duration)
        /// It closed the connection without a whole answer.
        case cutOff
        case malformed(String)

        package var description: String {
            switch self {
            case .notRunning: "not running"
            case .noPermission(let path): "not allowed to use \(path)"
            case .failed(let error): "\(error)"
            case .silent(let time): "the daemon does not answer within \(time.text)"
            case .cutOff: "the daemon ended while it answered"
            case .malformed(let reason): "the daemon's answer makes no sense: \(reason)"
            }
        }
    }

    /// Octets of one line of an answer.
    private static let lineLimit = 64 << 20

    /// Sends a request and hands every line of the answer to `each`, the last one too.
    ///
    /// - Parameter patience: how long nothing may come.
    package static func ask(
        _ path: String, _ request: JSON, patience: Duration, each: (JSON) -> Void
    ) throws(Failure) {
        let socket: FileDescriptor
        do throws(Errno) { socket = try UnixSocket.connect(path: path) } catch {
            switch error.code {
            case Errno.noEntry, Errno.connectionRefused: throw .notRunning
            case Errno.accessDenied: throw .noPermission(path: path)
            default: throw .failed(error)
            }
        }
        var request = Array(request.text.utf8)
        request.append(0x0A)
        do {
            // A request fits the empty buffer of a new connection; a daemon that is gone is an error, not a signal.
            try UnixSocket.send(socket.number, request)
            var bytes: [UInt8] = []
            var hasAnswer = false
            while true {
                let part = try read(socket.number, by: Clock.now + patience)
                guard let part else { throw Failure.silent(patience) }
                if part.isEmpty { break }
                bytes += part
                var start = 0
                while let end = bytes[start...].firstIndex(of: 0x0A) {
                    each(try line(Array(bytes[start..<end])))
                    hasAnswer = true
                    start = end + 1
                }
                bytes.removeFirst(start)
                guard bytes.count < lineLimit else { throw Failure.malformed("a line without end") }
            }
            guard hasAnswer, bytes.isEmpty else { throw Failure.cutOff }
        } catch let failure as Failure {
            throw failure
        } catch let error as Errno {
            throw error.code == Errno.connectionReset ? .cutOff : .failed(error)
        } catch {
            throw .malformed("\(error)")
        }
    }

    /// The daemon's only or last line.
    package static func ask(_ path: String, _ request: JSON, patience: Duration) throws(Failure) -> JSON {
        var last = JSON.null
        try ask(path, request, patience: patience) { last = $0 }
        return last
    }

    private static func line(_ bytes: [UInt8]) throws(Failure) -> JSON {
        do throws(JSON.Malformed) { return try JSON(parsing: bytes.span) } catch {
            throw .malformed(error.reason)
        }
    }

    /// What has come, empty at the end; `nil` when nothing came in time.
    private static func read(_ number: Int32, by deadline: Instant) throws(Errno) -> [UInt8]? {
        while true {
            do throws(Errno) { return try Descriptor.read(number, limit: 1 << 20) } catch {
                guard error.isWouldBlock else { throw error }
            }
            guard Clock.now < deadline else { return nil }
            try Descriptor.waitReadable(number, until: deadline)
        }
    }
}
