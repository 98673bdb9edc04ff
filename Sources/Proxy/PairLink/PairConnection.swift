// One TCP connection to the peer with TLS on it: frames in and out, bounded, without blocking.

import Linux
import TLS
import Wire

/// A connection of the pair link, whichever side dialled.
final class PairConnection {
    enum Phase { case connecting, handshaking, established }

    /// Bytes read from the socket at a time.
    private static let chunk = 65_536
    /// Reads of one turn, so that a fast peer does not keep the main thread from its other work.
    private static let readsPerTurn = 8

    private(set) var phase: Phase
    /// When the handshake has to be done.
    let deadline: Instant
    private let socket: FileDescriptor
    private let session: TLSSession
    /// Ciphertext that the kernel has not taken yet; filled again only when it is empty.
    private var output: [UInt8] = []
    private var written = 0

    /// - Parameter isConnecting: whether the socket's connection is still being made.
    init(
        _ socket: consuming FileDescriptor, _ context: TLSContext, isConnecting: Bool, deadline: Instant
    ) throws(TLSError) {
        session = try TLSSession(context)
        self.socket = socket
        self.deadline = deadline
        phase = isConnecting ? .connecting : .handshaking
    }

    /// The descriptor to wait on.
    var number: Int32 { socket.number }

    /// All that was written has gone to the kernel.
    var isFlushed: Bool { written == output.count && session.unsent == 0 }

    // MARK: Reading

    /// What a turn's reading brought.
    struct Received {
        var plaintext: [UInt8] = []
        /// The peer has closed; nothing more will come.
        var isEnded = false
    }

    /// Takes what the network has, up to a bound, and carries the handshake on.
    func receive() throws(PairLinkFailure) -> Received {
        var received = Received()
        for _ in 0..<Self.readsPerTurn {
            let bytes: [UInt8]
            do throws(Errno) {
                bytes = try Descriptor.read(number, limit: Self.chunk)
            } catch {
                if error.isWouldBlock { break }
                throw .connection(error)
            }
            do throws(TLSError) {
                if bytes.isEmpty {
                    received.isEnded = true
                    try session.receiveEnd()
                    return received
                }
                try session.receive(bytes.span)
                if phase == .handshaking, session.state == .established { phase = .established }
                while case let part = try session.readPlaintext(), !part.isEmpty { received.plaintext += part }
                if session.state == .ended {
                    received.isEnded = true
                    return received
                }
            } catch {
                // The alert tells the peer why; whether it gets through does not change the reason.
                _ = try? flush()
                throw .security(error)
            }
            if bytes.count < Self.chunk { break }
        }
        return received
    }

    // MARK: Writing

    /// The socket became writable while it was connecting.
    func connected() throws(PairLinkFailure) {
        let code = Socket.error(number)
        guard code == 0 else { throw .connection(Errno(code, "connect")) }
        phase = .handshaking
    }

    /// Encrypts frames; the caller flushes, and writes again only when all is flushed.
    func write(_ plaintext: [UInt8]) throws(PairLinkFailure) {
        do throws(TLSError) {
            try session.write(plaintext.span)
        } catch {
            throw .security(error)
        }
    }

    /// Gives the kernel what it takes; `true` when nothing is left.
    func flush() throws(PairLinkFailure) -> Bool {
        while true {
            if written == output.count {
                output = session.takeCiphertext(limit: .max)
                written = 0
                if output.isEmpty { return true }
            }
            let pending = output
            do throws(Errno) {
                written += try Descriptor.write(number, pending.span.extracting(written..<pending.count))
            } catch {
                if error.isWouldBlock { return false }
                throw .connection(error)
            }
        }
    }

    /// Says goodbye if there is room for it.
    func close() {
        session.close()
        _ = try? flush()
    }
}
