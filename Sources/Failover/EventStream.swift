// Operators and scripts that follow changes of role, each on a connection of its own.

import Linux
import Wire

/// Sends one JSON value a line to every subscriber. A reader that is slow loses events, never delays anybody, and is told
/// how many it lost.
final class EventStream {
    /// Subscribers at one time.
    static let maximumSubscribers = 16
    /// Octets that wait for one subscriber.
    static let bufferLimit = 65_536

    private final class Subscriber {
        let descriptor: FileDescriptor
        var pending: [UInt8] = []
        var lost: UInt64 = 0

        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    private let loop: EventLoop
    private var subscribers: [Int32: Subscriber] = [:]
    /// Events that did not fit into a subscriber's buffer.
    private(set) var lost: UInt64 = 0
    /// Subscribers that were one too many.
    private(set) var refusals: UInt64 = 0

    init(on loop: EventLoop) { self.loop = loop }

    /// How many follow now.
    var count: Int { subscribers.count }

    /// Adds a subscriber, who is told these first.
    func add(_ socket: consuming FileDescriptor, _ first: [JSON]) {
        let number = socket.number
        guard subscribers.count < Self.maximumSubscribers else {
            refusals += 1
            let refusal: JSON = ["ok": false, "error": "too many follow the events"]
            _ = try? Descriptor.write(number, Array((refusal.text + "\n").utf8).span)
            return
        }
        do throws(Errno) {
            try Descriptor.setNonBlocking(number)
            try loop.add(number, .readable) { [weak self] readiness in self?.ready(number, readiness) }
        } catch {
            refusals += 1
            return
        }
        let subscriber = Subscriber(socket)
        subscribers[number] = subscriber
        for event in first { send(event, to: subscriber) }
    }

    /// Tells everybody.
    func publish(_ event: JSON) {
        for subscriber in subscribers.values { send(event, to: subscriber) }
    }

    /// Lets everybody go, with what is written already.
    func close() { for number in Array(subscribers.keys) { remove(number) } }

    private func send(_ event: JSON, to subscriber: Subscriber) {
        let line = Array((event.text + "\n").utf8)
        guard subscriber.pending.count + line.count <= Self.bufferLimit else {
            subscriber.lost += 1
            lost += 1
            return
        }
        subscriber.pending += line
        flush(subscriber)
    }

    private func flush(_ subscriber: Subscriber) {
        let number = subscriber.descriptor.number
        do throws(Errno) {
            while !subscriber.pending.isEmpty {
                let bytes = subscriber.pending
                let written = try Descriptor.write(number, bytes.span)
                subscriber.pending.removeFirst(written)
                if subscriber.pending.isEmpty, subscriber.lost > 0 {
                    let notice: JSON = ["event": "lost", "count": JSON(subscriber.lost)]
                    subscriber.lost = 0
                    subscriber.pending = Array((notice.text + "\n").utf8)
                }
            }
            try loop.modify(number, .readable)
        } catch {
            guard error.isWouldBlock, (try? loop.modify(number, [.readable, .writable])) != nil else {
                return remove(number)
            }
        }
    }

    private func ready(_ number: Int32, _ readiness: EventLoop.Readiness) {
        guard let subscriber = subscribers[number] else { return }
        if readiness.contains(.readable) || !readiness.isDisjoint(with: .closed) {
            // A subscriber has nothing more to say; the end of its words is the end of its interest.
            do throws(Errno) {
                if try Descriptor.read(number, limit: 4096).isEmpty { return remove(number) }
            } catch {
                if !error.isWouldBlock { return remove(number) }
            }
        }
        if readiness.contains(.writable) { flush(subscriber) }
    }

    private func remove(_ number: Int32) {
        guard let subscriber = subscribers.removeValue(forKey: number) else { return }
        loop.remove(subscriber.descriptor.number)
    }
}
