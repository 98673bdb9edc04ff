// One MQTT client connection of the lab, on its loop.

import Glibc
import Linux
import MQTT
import Wire

/// A connection to a broker (through the pair or not): connects, sends CONNECT, reports what comes.
///
/// It speaks 3.1.1. After `.closed` nothing more is reported.
final class MQTTConnection {
    enum Event {
        /// CONNACK with success.
        case accepted(sessionPresent: Bool)
        case packet(Packet)
        /// The end, with its reason in a few words.
        case closed(String)
    }

    /// Unsent bytes above this end the connection: the other side does not read.
    private static let maximumUnsent = 1 << 20
    private static let version = ProtocolVersion.v311

    private let loop: EventLoop
    private let number: Int32
    private let report: (Event) -> Void
    private var received: [UInt8] = []
    private var unsent: [UInt8] = []
    private var isConnected = false
    private(set) var isAccepted = false
    private(set) var isOpen = true

    /// Begins to connect, from a host's namespace.
    init(
        _ bench: Workbench, from host: Host, to target: SocketAddress, _ connect: ConnectDraft,
        report: @escaping (Event) -> Void
    ) throws(Errno) {
        loop = bench.loop
        self.report = report
        number = try bench.inside(host.namespace) { () throws(Errno) in try Socket.connect(target) }.release()
        enqueue(.connect(connect))
        try loop.add(number, [.readable, .writable]) { [self] readiness in ready(readiness) }
    }

    private func ready(_ readiness: EventLoop.Readiness) {
        if !isConnected {
            let code = Socket.error(number)
            if code != 0 { return finish(Errno.text(code)) }
            guard readiness.contains(.writable) else { return }
            isConnected = true
        }
        flush()
        if isOpen, readiness.contains(.readable) || readiness.contains(.closed) { read() }
    }

    // MARK: Sending

    func send(_ packet: Packet) {
        guard isOpen else { return }
        enqueue(packet)
        if isConnected { flush() }
    }

    private func enqueue(_ packet: Packet) {
        do throws(Oversize) {
            unsent += try packet.encode(version: Self.version)
        } catch { preconditionFailure("the lab wrote a packet that is too long") }
    }

    private func flush() {
        do throws(Errno) {
            while !unsent.isEmpty {
                let count = try Descriptor.write(number, unsent.span)
                unsent.removeFirst(count)
            }
            try loop.modify(number, .readable)
        } catch {
            guard error.isWouldBlock else { return finish("\(error)") }
            if unsent.count > Self.maximumUnsent { return finish("does not read") }
            do throws(Errno) { try loop.modify(number, [.readable, .writable]) } catch { finish("\(error)") }
        }
    }

    // MARK: Receiving

    private func read() {
        do throws(Errno) {
            let bytes = try Descriptor.read(number, limit: 65_536)
            if bytes.isEmpty { return finish("closed by the other side") }
            received += bytes
        } catch {
            if !error.isWouldBlock { finish(Errno.text(error.code)) }
            return
        }
        var offset = 0
        while isOpen, offset < received.count {
            let outcome: Packet.Outcome
            do throws(Violation) {
                outcome = try Packet.read(
                    received.span.extracting(offset..<received.count), version: Self.version)
            } catch { return finish("not MQTT: \(error)") }
            guard case .packet(let packet, let length) = outcome else { break }
            offset += length
            take(packet)
        }
        if offset > 0 { received.removeFirst(min(offset, received.count)) }
    }

    private func take(_ packet: Packet) {
        guard case .connack(let connack) = packet else { return report(.packet(packet)) }
        guard !connack.reason.isFailure else { return finish("refused: \(connack.reason.name)") }
        isAccepted = true
        report(.accepted(sessionPresent: connack.sessionPresent))
    }

    // MARK: End

    private func finish(_ reason: String) {
        guard isOpen else { return }
        close()
        report(.closed(reason))
    }

    /// Closes without reporting it.
    func close() {
        guard isOpen else { return }
        isOpen = false
        loop.remove(number)
        Descriptor.close(number)
    }
}
