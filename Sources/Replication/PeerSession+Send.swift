// What a peer session sends when the transport can take it.

import Balancing
package import Wire

extension PeerSession {
    /// Appends the next frame to `out`; false when there is none now.
    ///
    /// The shell calls it only while its transport's buffer has room, and owns what was appended: all of it has to be
    /// sent, in order, or the link has to be cut.
    package mutating func nextFrame(into out: inout [UInt8], at now: Instant) -> Bool {
        continueAt = nil
        let start = out.count
        guard makeFrame(into: &out, at: now) else { return false }
        counters.bytesSent += UInt64(out.count - start)
        return true
    }

    private mutating func makeFrame(into out: inout [UInt8], at now: Instant) -> Bool {
        guard let current = link, !current.isClosing else { return false }
        if !current.helloSent {
            link?.helloSent = true
            let hello = hello()
            out.appendFrame(FrameType.hello) { hello.append(to: &$0) }
            return true
        }
        guard current.peer != nil else { return false }
        if current.ackDue {
            link?.ackDue = false
            out.appendFrame(FrameType.ack) { $0.append(bigEndian: current.received) }
            return true
        }
        if current.heartbeatDue {
            link?.heartbeatDue = false
            var facts = facts
            facts.isInSync = current.isInSync
            out.appendFrame(FrameType.heartbeat) { facts.append(to: &$0) }
            return true
        }
        if sendUpdates(into: &out, at: now) { return true }
        if let index = link?.tables.firstIndex(where: { $0.overrunDue }) {
            link?.tables[index].overrunDue = false
            out.appendFrame(FrameType.overrun) { $0.append(UInt8(index)) }
            return true
        }
        if !current.drainedSent {
            guard isBacklogSent else { return false }
            link?.drainedSent = true
            out.appendFrame(FrameType.drained) { _ in }
            return true
        }
        return (current.drainedReceived && sendDigest(into: &out)) || sendRepair(into: &out, at: now)
    }

    private func hello() -> Hello {
        var announced: [Hello.Table] = []
        for table in tables {
            var counter: UInt64 = 0
            for shard in 0..<table.shardCount {
                table.withShard(shard) { counter = max(counter, $0.highestCounter) }
            }
            announced.append(
                Hello.Table(
                    name: table.name, keyCheck: table.hashKey.check,
                    expire: UInt64(clamping: table.expire.wholeMilliseconds), entries: UInt64(table.entries),
                    counter: counter))
        }
        return Hello(
            heartbeat: UInt16(clamping: max(1, settings.heartbeat.wholeMilliseconds)), node: settings.node,
            instance: settings.instance, name: settings.name, tables: announced)
    }

    private var isBacklogSent: Bool {
        link?.tables.allSatisfy { table in
            !table.isCommon || zip(table.cursors, table.backlog).allSatisfy { $0 >= $1 }
        } ?? false
    }

    // MARK: Live updates

    private mutating func sendUpdates(into out: inout [UInt8], at now: Instant) -> Bool {
        guard let current = link, current.inFlight.count < LinkLimit.window else { return false }
        for index in tables.indices where current.tables[index].isCommon {
            let shards = tables[index].shardCount
            for step in 0..<shards {
                let shard = (current.tables[index].turn + step) % shards
                if sendUpdates(table: index, shard: shard, into: &out, at: now) {
                    link?.tables[index].turn = (shard + 1) % shards
                    return true
                }
            }
        }
        return false
    }

    private mutating func sendUpdates(table index: Int, shard: Int, into out: inout [UInt8], at now: Instant) -> Bool {
        guard let cursor = link?.tables[index].cursors[shard] else { return false }
        var end = cursor
        var last = cursor
        var isOverrun = false
        let table = tables[index]
        let sent = appendEntries(table: index, isRepair: false, into: &out) { start, count, out in
            table.withShard(shard) { content in
                last = content.lastUpdate
                let walked = content.changes(after: cursor, examining: LinkLimit.examined) { block in
                    EntryCoding.append(block, of: content, at: now, batchFrom: start, count: &count, to: &out)
                }
                switch walked {
                case .upTo(let number): end = number
                case .overrun:
                    end = last
                    isOverrun = true
                }
            }
        }
        link?.tables[index].cursors[shard] = end
        if isOverrun {
            counters.overruns += 1
            link?.tables[index].overrunDue = true
            link?.tables[index].hasGap = true
        }
        if sent {
            noteSent(table: index, shard: shard, cursor: end, at: now)
        } else {
            if end > cursor { settleAcknowledgements() }
            if end < last { continueAt = now }
        }
        return sent
    }

    /// Appends an ENTRIES frame; without entries nothing is appended.
    private mutating func appendEntries(
        table index: Int, isRepair: Bool, into out: inout [UInt8],
        _ write: (_ start: Int, _ count: inout Int, _ out: inout [UInt8]) -> Void
    ) -> Bool {
        let start = out.count
        out.append(bigEndian: UInt32(0))
        out.append(bigEndian: (link?.sent ?? 0) + 1)
        out.append(UInt8(index))
        out.append(isRepair ? 1 : 0)
        out.append(bigEndian: UInt16(0))
        let countAt = out.count - 2
        var count = 0
        write(start + LinkLimit.headerBytes, &count, &out)
        guard count > 0 else {
            out.removeSubrange(start...)
            return false
        }
        out[countAt] = UInt8(truncatingIfNeeded: count >> 8)
        out[countAt + 1] = UInt8(truncatingIfNeeded: count)
        out.closeFrame(at: start, FrameType.entries)
        counters.entriesSent += UInt64(count)
        return true
    }

    private mutating func noteSent(table: Int, shard: Int, cursor: UInt64?, at now: Instant) {
        link?.sent += 1
        let sequence = link?.sent ?? 0
        link?.inFlight.append(
            Link.InFlight(sequence: sequence, sentAt: now, table: table, shard: shard, cursor: cursor))
    }

    // MARK: Digests and repair

    private mutating func sendDigest(into out: inout [UInt8]) -> Bool {
        guard let tableLinks = link?.tables else { return false }
        for index in tables.indices {
            guard case .needed = tableLinks[index].pull else { continue }
            round &+= 1
            let round = round
            let digests = digests(of: tables[index])
            link?.tables[index].pull = .waiting(round: round)
            out.appendFrame(FrameType.digest) { out in
                out.append(UInt8(index))
                out.append(0)
                out.append(bigEndian: UInt16(digests.count))
                out.append(bigEndian: round)
                for digest in digests { out.append(bigEndian: digest) }
            }
            return true
        }
        return false
    }

    private mutating func sendRepair(into out: inout [UInt8], at now: Instant) -> Bool {
        for index in tables.indices {
            if let round = link?.tables[index].repairedDue {
                link?.tables[index].repairedDue = nil
                link?.tables[index].hasGap = false
                settleAcknowledgements()
                out.appendFrame(FrameType.repaired) { out in
                    out += [UInt8(index), 0, 0, 0]
                    out.append(bigEndian: round)
                }
                return true
            }
            guard var repair = link?.tables[index].repair, let inFlight = link?.inFlight.count,
                inFlight < LinkLimit.window
            else { continue }
            let sent = sendRepair(&repair, table: index, into: &out, at: now)
            let isOver = repair.shard == tables[index].shardCount
            link?.tables[index].repair = isOver ? nil : repair
            if isOver { link?.tables[index].repairedDue = repair.round }
            if sent {
                noteSent(table: index, shard: 0, cursor: nil, at: now)
                return true
            }
            continueAt = now
        }
        return false
    }

    /// Goes on with a repair for one frame or one bounded scan.
    private mutating func sendRepair(
        _ repair: inout TableLink.Repair, table index: Int, into out: inout [UInt8], at now: Instant
    ) -> Bool {
        var walk = repair
        let table = tables[index]
        let sent = appendEntries(table: index, isRepair: true, into: &out) { start, count, out in
            var budget = LinkLimit.examined
            while count == 0, budget > 0, walk.shard < table.shardCount {
                table.withShard(walk.shard) { content in
                    let next = content.records(from: walk.position, examining: budget) { block in
                        let bucket = StickTable.bucket(of: content.keyHash(of: block))
                        guard walk.wants(bucket: bucket) else { return true }
                        return EntryCoding.append(
                            block, of: content, at: now, batchFrom: start, count: &count, to: &out)
                    }
                    // A shard, however small, costs something: the loop ends.
                    let examined = next.map { $0 - walk.position } ?? (content.count + content.tombstoneCount)
                    budget -= max(1, examined)
                    walk.position = next ?? 0
                    if next == nil { walk.shard += 1 }
                }
            }
        }
        repair = walk
        return sent
    }
}
