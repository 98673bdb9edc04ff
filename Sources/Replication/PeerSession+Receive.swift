// What a peer session does with received bytes.

import Balancing
package import Wire

extension PeerSession {
    /// Takes received bytes, in any chunking.
    package mutating func receive(_ bytes: borrowing Span<UInt8>, at now: Instant) -> [PeerAction] {
        guard let current = link, !current.isClosing else { return [] }
        link?.heardAt = now
        counters.bytesReceived += UInt64(bytes.count)
        let wasInSync = current.isInSync
        var actions: [PeerAction] = []
        do throws(PeerRefusal) {
            if current.input.isEmpty {
                try consume(bytes, at: now, &actions)
            } else {
                var input: [UInt8] = []
                if let held = link?.input { input = held }
                for index in bytes.indices { input.append(bytes[index]) }
                link?.input = []
                let glued = input
                try consume(glued.span, at: now, &actions)
            }
        } catch {
            return actions + refuse(error)
        }
        if isInSync != wasInSync {
            link?.heartbeatDue = true
            actions.append(.inSync(isInSync))
        }
        return actions
    }

    /// Handles the whole frames in `bytes` and keeps the rest.
    private mutating func consume(
        _ bytes: borrowing Span<UInt8>, at now: Instant, _ actions: inout [PeerAction]
    ) throws(PeerRefusal) {
        var offset = 0
        while bytes.count - offset >= LinkLimit.headerBytes {
            let type = bytes[offset]
            let length = Int(bytes[offset + 1]) << 16 | Int(bytes[offset + 2]) << 8 | Int(bytes[offset + 3])
            guard length <= LinkLimit.body else { throw .malformed(.frameTooLong(length)) }
            let start = offset + LinkLimit.headerBytes
            guard bytes.count - start >= length else { break }
            try frame(type, bytes.extracting(start..<(start + length)), at: now, &actions)
            offset = start + length
        }
        for index in offset..<bytes.count { link?.input.append(bytes[index]) }
    }

    private mutating func frame(
        _ type: UInt8, _ body: borrowing Span<UInt8>, at now: Instant, _ actions: inout [PeerAction]
    ) throws(PeerRefusal) {
        if link?.peer == nil {
            guard type == FrameType.hello else { throw .malformed(.messageBeforeHello(type)) }
            return try accept(try Hello.parse(body), at: now, &actions)
        }
        var reader = ByteReader(body)
        switch type {
        case FrameType.hello: throw .malformed(.secondHello)
        case FrameType.heartbeat:
            let facts = try NodeFacts.parse(body)
            if facts != peerFacts { actions.append(.peerFacts(facts)) }
            peerFacts = facts
        case FrameType.entries: try merge(body, at: now)
        case FrameType.ack: try acknowledge(try reader.field64(type))
        case FrameType.drained: link?.drainedReceived = true
        case FrameType.digest:
            let index = try localTable(try reader.field8(type))
            try reader.pass(1, type)
            let buckets = Int(try reader.field16(type))
            guard buckets == StickTable.buckets else { throw .malformed(.buckets(buckets)) }
            let round = try reader.field32(type)
            var theirs: [UInt64] = []
            for _ in 0..<buckets { theirs.append(try reader.field64(type)) }
            if let index { answer(theirs, table: index, round: round) }
        case FrameType.repaired:
            let index = try localTable(try reader.field8(type))
            try reader.pass(3, type)
            let round = try reader.field32(type)
            guard let index, case .waiting(round) = link?.tables[index].pull else { return }
            link?.tables[index].pull = .done(at: now)
            link?.tables[index].isPulled = true
        case FrameType.overrun:
            guard let index = try localTable(try reader.field8(type)) else { return }
            link?.tables[index].pull = .needed
            link?.tables[index].isPulled = false
        default: counters.unknownFrames += 1
        }
    }

    /// This side's position of the peer's table; nil when it is not replicated.
    private func localTable(_ theirs: UInt8) throws(PeerRefusal) -> Int? {
        guard let local = link?.local, Int(theirs) < local.count else { throw .malformed(.unknownTable(theirs)) }
        return local[Int(theirs)]
    }

    // MARK: HELLO

    private mutating func accept(
        _ hello: Hello, at now: Instant, _ actions: inout [PeerAction]
    ) throws(PeerRefusal) {
        guard hello.node != settings.node else { throw .sameNode }
        guard hello.name == settings.peer else { throw .otherPeer(hello.name) }
        let resumes = ackedInstance == hello.instance
        ackedInstance = hello.instance
        counters.links += 1
        var links: [TableLink] = []
        for (index, table) in tables.enumerated() {
            let announced = hello.tables.first { $0.name == table.name }
            let isCommon = announced?.keyCheck == table.hashKey.check
            var tableLink = TableLink(isCommon: isCommon, pull: isCommon ? .needed : .never)
            for shard in 0..<table.shardCount {
                table.withShard(shard) { content in
                    if isCommon {
                        content.peerLinkUp()
                        content.observe(counter: announced?.counter ?? 0)
                    }
                    tableLink.backlog.append(content.lastUpdate)
                }
                if !resumes { acked[index][shard] = tableLink.backlog[shard] }
            }
            tableLink.cursors = acked[index]
            links.append(tableLink)
            if announced == nil {
                actions.append(.tableRefused(name: table.name, reason: .notAtPeer))
            } else if !isCommon {
                actions.append(.tableRefused(name: table.name, reason: .otherKey))
            }
        }
        for table in hello.tables {
            let index = tables.firstIndex { $0.name == table.name }
            link?.local.append(index.flatMap { links[$0].isCommon ? $0 : nil })
            if index == nil { actions.append(.tableRefused(name: table.name, reason: .notHere)) }
        }
        link?.tables = links
        link?.peer = hello
        link?.heartbeatDue = true
        link?.heartbeatAt = now + settings.heartbeat
        actions.insert(.up(peer: hello.name), at: 0)
    }

    // MARK: ENTRIES and ACK

    private mutating func merge(_ body: borrowing Span<UInt8>, at now: Instant) throws(PeerRefusal) {
        var reader = ByteReader(body)
        let sequence = try reader.field64(FrameType.entries)
        let expected = (link?.received ?? 0) + 1
        guard sequence == expected else { throw .malformed(.sequence(expected: expected, got: sequence)) }
        let index = try localTable(try reader.field8(FrameType.entries))
        let isRepair = try reader.field8(FrameType.entries) & 1 == 1
        let count = Int(try reader.field16(FrameType.entries))
        let wasPulled = index.flatMap { link?.tables[$0].isPulled } ?? false
        for _ in 0..<count {
            let head = try EntryCoding.head(&reader)
            let start = reader.offset
            try reader.pass(head.keyLength, FrameType.entries)
            counters.entriesReceived += 1
            guard let index else { continue }
            let table = tables[index]
            let key = body.extracting(start..<(start + head.keyLength))
            let hash = table.hashKey.hash(key)
            var outcome = StickTable.MergeOutcome.ignored
            table.withShard(StickTable.shard(of: hash, count: table.shardCount)) { shard in
                outcome = shard.merge(key, hash: hash, head.value, remaining: head.remaining, at: now)
            }
            guard outcome == .applied || outcome == .reasserted else { continue }
            counters.entriesApplied += 1
            if isRepair, wasPulled { counters.entriesRepaired += 1 }
        }
        link?.received = sequence
        link?.ackDue = true
    }

    private mutating func acknowledge(_ sequence: UInt64) throws(PeerRefusal) {
        guard let current = link, sequence <= current.sent,
            sequence >= current.sent - UInt64(current.inFlight.count)
        else { throw .malformed(.acknowledgement(sequence)) }
        let done = current.inFlight.prefix { $0.sequence <= sequence }
        for frame in done where !current.tables[frame.table].hasGap {
            if let cursor = frame.cursor {
                acked[frame.table][frame.shard] = max(acked[frame.table][frame.shard], cursor)
            }
        }
        link?.inFlight.removeFirst(done.count)
        settleAcknowledgements()
    }

    /// With nothing in flight the peer has all that was sent; what was superseded needs no acknowledgement.
    mutating func settleAcknowledgements() {
        guard let link, link.inFlight.isEmpty else { return }
        for (index, table) in link.tables.enumerated() where table.isCommon && !table.hasGap {
            acked[index] = table.cursors
        }
    }

    // MARK: DIGEST

    /// Begins to send the entries of the buckets in which the peer's digest differs from ours.
    private mutating func answer(_ theirs: [UInt64], table index: Int, round: UInt32) {
        let ours = digests(of: tables[index])
        var wanted = [UInt64](repeating: 0, count: StickTable.buckets / 64)
        for bucket in ours.indices where ours[bucket] != theirs[bucket] {
            wanted[bucket >> 6] |= 1 << UInt64(bucket & 63)
        }
        if wanted.allSatisfy({ $0 == 0 }) {
            link?.tables[index].repair = nil
            link?.tables[index].repairedDue = round
        } else {
            link?.tables[index].repairedDue = nil
            link?.tables[index].repair = TableLink.Repair(round: round, wanted: wanted)
        }
    }

    /// The digests of a whole table.
    func digests(of table: any ReplicatedTable) -> [UInt64] {
        var sum = [UInt64](repeating: 0, count: StickTable.buckets)
        for shard in 0..<table.shardCount {
            table.withShard(shard) { content in
                for bucket in sum.indices { sum[bucket] ^= content.digests[bucket] }
            }
        }
        return sum
    }
}
