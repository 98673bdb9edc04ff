// Two nodes and the byte streams between them, on virtual time.

import Balancing
import Replication
import Wire

/// One node: its table and its session.
final class Node {
    var table: MemoryTable
    var session: PeerSession
    var actions: [PeerAction] = []

    init(_ name: String, peer: String, instance: UInt64 = 1, shards: Int = 2, entries: Int = 2000, ring: Int? = nil) {
        table = MemoryTable(node: PeerSession.identity(of: name), shards: shards, entries: entries, ring: ring)
        session = PeerSession(
            settings: PeerSession.Settings(name: name, instance: instance, peer: peer), tables: [table])
    }
}

/// Bytes on their way, each chunk with the time it arrives.
struct Pipe {
    var chunks: [(at: Instant, bytes: [UInt8])] = []
    var lastArrival = Instant.zero
    /// Bytes accepted over all time.
    var total = 0
    var isEmpty: Bool { chunks.isEmpty }
}

final class Pair {
    var now = Instant.zero
    var nodes: [Node]
    /// `pipes[n]` carries what node n sends.
    var pipes = [Pipe(), Pipe()]
    var isConnected = false
    /// One-way delays in nanoseconds are drawn from this range.
    var delay: ClosedRange<Int64> = 100_000...2_000_000
    /// Chunks are at most this long; the stream may be cut anywhere.
    var chunk = 5000
    var random: SeededGenerator
    /// Most chunks in a pipe: what a transport takes before it is full.
    var pipeLimit = 50

    init(_ a: Node, _ b: Node, seed: UInt64 = 1) {
        nodes = [a, b]
        random = SeededGenerator(seed: seed)
    }

    func connect() {
        cut()
        isConnected = true
        pipes = [0, 1].map { Pipe(lastArrival: now, total: pipes[$0].total) }
        for index in 0..<2 { nodes[index].actions += nodes[index].session.handle(.connected, at: now) }
    }

    /// Cuts the link: what is on its way is lost.
    func cut() {
        guard isConnected else { return }
        isConnected = false
        for index in 0..<2 {
            pipes[index].chunks = []
            nodes[index].actions += nodes[index].session.handle(.disconnected, at: now)
        }
    }

    /// Advances by `step`, delivering, firing timers and pulling frames.
    func step(_ step: Duration = .milliseconds(1)) {
        now += step
        for index in 0..<2 {
            let end = pipes[index].chunks.firstIndex { $0.at > now } ?? pipes[index].chunks.count
            let arrived = pipes[index].chunks.prefix(end)
            pipes[index].chunks.removeFirst(end)
            for chunk in arrived {
                let span = chunk.bytes.span
                nodes[1 - index].actions += nodes[1 - index].session.receive(span, at: now)
            }
        }
        for index in 0..<2 {
            if let deadline = nodes[index].session.nextDeadline, deadline <= now {
                nodes[index].actions += nodes[index].session.handle(.timer, at: now)
            }
            guard isConnected else { continue }
            pull(index)
        }
        for index in 0..<2 where isConnected {
            if nodes[index].actions.contains(where: { if case .close = $0 { true } else { false } }) { cut() }
        }
    }

    private func pull(_ index: Int) {
        var out: [UInt8] = []
        while pipes[index].chunks.count < pipeLimit, nodes[index].session.nextFrame(into: &out, at: now) {
            pipes[index].total += out.count
            var offset = 0
            while offset < out.count {
                let end = min(out.count, offset + Int.random(in: 1...chunk, using: &random))
                let arrival = max(
                    pipes[index].lastArrival, now + .nanoseconds(Int64.random(in: delay, using: &random)))
                pipes[index].lastArrival = arrival
                pipes[index].chunks.append((arrival, Array(out[offset..<end])))
                offset = end
            }
            out.removeAll(keepingCapacity: true)
        }
    }

    /// Steps until both are in sync and nothing is unacknowledged; false when that takes longer than `limit`.
    func settle(within limit: Duration = .seconds(20)) -> Bool {
        let end = now + limit
        while now < end {
            step()
            if isQuiet { return true }
        }
        return false
    }

    var isQuiet: Bool {
        nodes.allSatisfy { $0.session.isInSync && $0.session.lag(at: now).updates == 0 }
    }

    var totals: Int { pipes[0].total + pipes[1].total }
}
