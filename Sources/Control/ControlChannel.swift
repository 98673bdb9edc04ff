// One end of a message socket between two of our processes, on an event loop.

package import Linux
import Wire

/// Sends and receives ``ControlMessage``s without ever blocking.
///
/// Owns its descriptor. What the other side does not take at once waits in a bounded queue with its descriptors; when that
/// is full, ``send(_:_:)`` says no and counts it. A message that breaks its form ends the channel: both ends are the same
/// program, so the other one is broken. Handlers may send and close from within.
package final class ControlChannel<Incoming: ControlMessage, Outgoing: ControlMessage> {
    /// Why a channel ended.
    package enum Ending: Hashable, Sendable, CustomStringConvertible {
        /// The other process closed it or died.
        case endOfFile
        case refused(MalformedMessage)
        case failed(Errno)

        package var description: String {
            switch self {
            case .endOfFile: "end of file"
            case .refused(let error): error.description
            case .failed(let error): error.description
            }
        }
    }

    /// The first octet of a datagram: where its message is.
    private enum Envelope: UInt8 {
        case inline = 1
        /// In a sealed memfd, the last of the descriptors.
        case memfd = 2
    }

    /// Messages handled in one turn of the loop, so that a talkative child cannot keep the others waiting.
    private static var fairShare: Int { 64 }
    /// Octets beyond which a message travels in a memfd: small enough to fit a socket buffer that is half full.
    private static var inlineLimit: Int { 48 * 1024 }

    /// Called for each message. Descriptors nobody takes are closed afterwards.
    package var onMessage: (Incoming, DescriptorBag) -> Void = { _, _ in }
    /// Called once, when the channel ends by itself; not after ``close()``.
    package var onClosed: (Ending) -> Void = { _ in }

    /// Messages that were not sent because the queue was full.
    package private(set) var overflows: UInt64 = 0
    package private(set) var sent: UInt64 = 0
    package private(set) var received: UInt64 = 0

    private let loop: EventLoop
    private var number: Int32
    private var queue: [(bytes: [UInt8], descriptors: DescriptorBag)] = []

    /// Takes over one end of a pair of message sockets, and registers it with the loop.
    package init(_ socket: consuming FileDescriptor, on loop: EventLoop) throws(Errno) {
        self.loop = loop
        number = socket.release()
        try Descriptor.setNonBlocking(number)
        try loop.add(number, .readable) { [weak self] readiness in self?.ready(readiness) }
    }

    deinit { close() }

    /// Whether messages wait because the other side does not read.
    package var isBacklogged: Bool { !queue.isEmpty }

    package var isOpen: Bool { number >= 0 }

    /// Closes this end; messages that wait are forgotten.
    package func close() {
        guard isOpen else { return }
        loop.remove(number)
        Descriptor.close(number)
        number = -1
        queue = []
    }

    private func end(_ ending: Ending) {
        guard isOpen else { return }
        close()
        onClosed(ending)
    }

    // MARK: Sending

    /// Sends a message, now or when the other side takes it. The descriptors stay open here.
    ///
    /// - Returns: whether it was sent or queued; `false` when the channel is closed, the queue full or the kernel unwilling.
    @discardableResult
    package func send(_ message: Outgoing, _ descriptors: [Int32] = []) -> Bool {
        precondition(descriptors.count == message.descriptorCount, "descriptors that do not belong to \(message)")
        guard isOpen else { return false }
        guard queue.count < ControlLimits.queue else {
            overflows += 1
            return false
        }
        var bytes = [Envelope.inline.rawValue]
        message.write(into: &bytes)
        do {
            if bytes.count <= Self.inlineLimit { return try send(bytes, descriptors) }
            let body = try Memfd.sealed(name: "understudy-message", Array(bytes.dropFirst()))
            return try send([Envelope.memfd.rawValue], descriptors + [body.number])
        } catch {
            overflows += 1
            return false
        }
    }

    /// The message as it travels, for a sender without a loop; `nil` when it is too long for one datagram.
    package static func datagram(of message: Outgoing) -> [UInt8]? {
        precondition(message.descriptorCount == 0, "descriptors do not travel so")
        var bytes = [Envelope.inline.rawValue]
        message.write(into: &bytes)
        return bytes.count <= inlineLimit ? bytes : nil
    }

    private func send(_ bytes: [UInt8], _ descriptors: [Int32]) throws(Errno) -> Bool {
        if queue.isEmpty {
            do {
                try UnixSocket.send(number, bytes, descriptors: descriptors)
                sent += 1
                return true
            } catch {
                // The end of the other side is reported by the loop, after what it still said has been read.
                guard error.isWouldBlock else { return false }
            }
        }
        let copies = DescriptorBag()
        for descriptor in descriptors { copies.add(try Descriptor.duplicate(descriptor)) }
        queue.append((bytes, copies))
        if queue.count == 1 { try loop.modify(number, [.readable, .writable]) }
        return true
    }

    private func flush() {
        while let next = queue.first {
            do {
                try UnixSocket.send(number, next.bytes, descriptors: next.descriptors.all)
            } catch {
                if !error.isWouldBlock { end(.failed(error)) }
                return
            }
            queue.removeFirst()
            sent += 1
        }
        do { try loop.modify(number, .readable) } catch { end(.failed(error)) }
    }

    // MARK: Receiving

    private func ready(_ readiness: EventLoop.Readiness) {
        if readiness.contains(.readable) || readiness.contains(.closed) {
            for _ in 0..<Self.fairShare where isOpen {
                guard receive() else { break }
            }
        }
        if isOpen, readiness.contains(.writable) { flush() }
    }

    /// Handles one message; `false` when there is none.
    private func receive() -> Bool {
        do {
            let (bytes, numbers) = try UnixSocket.receive(number, limit: ControlLimits.message)
            let descriptors = DescriptorBag(owning: numbers)
            if bytes.isEmpty {
                end(.endOfFile)
                return false
            }
            let message = try Self.open(bytes, descriptors)
            received += 1
            onMessage(message, descriptors)
            return true
        } catch let error as Errno {
            if error.isWouldBlock { return false }
            // A peer that died with our messages unread shows as a reset.
            end(error.code == Errno.connectionReset ? .endOfFile : .failed(error))
        } catch let error as MalformedMessage {
            end(.refused(error))
        } catch {
            preconditionFailure("an error of an unknown kind: \(error)")
        }
        return false
    }

    private static func open(_ bytes: [UInt8], _ descriptors: DescriptorBag) throws -> Incoming {
        guard let envelope = bytes.first.flatMap(Envelope.init) else {
            throw MalformedMessage("unknown envelope")
        }
        let message: Incoming
        switch envelope {
        case .inline: message = try Incoming(parsing: bytes.span.extracting(1..<bytes.count))
        case .memfd:
            guard bytes.count == 1, let body = descriptors.takeLast() else { throw MalformedMessage("no body") }
            // Only a sealed memfd is certain to answer a read at once.
            guard Memfd.isSealed(body.number) else { throw MalformedMessage("a body that is not sealed") }
            let contents = try Memfd.contents(body.number, limit: ControlLimits.body)
            message = try Incoming(parsing: contents.span)
        }
        guard message.descriptorCount == descriptors.count else {
            throw MalformedMessage("\(descriptors.count) descriptors instead of \(message.descriptorCount)")
        }
        return message
    }
}
