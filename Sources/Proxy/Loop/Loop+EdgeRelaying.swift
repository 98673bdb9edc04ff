// Moving bytes that are transformed on their way: TLS off, frames off, frames on, TLS on.

import Linux
import Synchronization
import TLS
import WebSocket
import Wire

extension Loop {
    /// Most bytes a step adds around MQTT bytes: a frame's header and the records of a chunk.
    private static let overhead = 256

    /// Moves bytes of one direction as ``pump(_:isUp:ending:)`` does, and of the other one when this has given it
    /// something to say: a pong, a close, a key update.
    ///
    /// - Returns: `false` when the session has ended.
    func pumpEdge(_ index: UInt32, isUp: Bool, ending: Bool) -> Bool {
        guard pumpDirection(index, isUp: isUp, ending: ending) else { return false }
        if owes(index, isUp: !isUp) {
            guard pumpDirection(index, isUp: !isUp, ending: true) else { return false }
            // The other direction has read, too; what that is owed comes in the next turn.
            if owes(index, isUp: isUp), edges[slots[index].edge][isUp: isUp].output.chunk == 0 { queue(index) }
        }
        guard isWorn(index), !slots[index].isLeaving, !slots[index].isOpaque else { return true }
        slots[index].leaving = UInt8(EndCause.keysSpent.rawValue) + 1
        return pumpDirection(index, isUp: false, ending: true)
    }

    private func pumpDirection(_ index: UInt32, isUp: Bool, ending: Bool) -> Bool {
        let edge = slots[index].edge
        var isDrained = false
        var share = Share.chunks
        while true {
            switch flushEdge(index, isUp: isUp) {
            case .done: break
            case .blocked: return true
            case .starved: return starve(index)
            case .failed:
                endReset(index, isClient: !isUp)
                return false
            }
            if slots[index].isLeaving, !isUp, slots[index].down.chunk == 0, missing(index) ?? 0 == 0 {
                depart(index)
                return false
            }
            switch step(index, isUp: isUp) {
            case .moved:
                if share == 0 {
                    queue(index)
                    return true
                }
                share -= 1
                continue
            case .starved: return starve(index)
            case .failed(let client):
                failTLS(index, client: client)
                return false
            case .gone: return false
            case .over: return passEnd(index, isUp: isUp, to: isUp ? slots[index].server : slots[index].client)
            case .empty: break
            }
            if isDrained { return true }
            if share == 0 {
                queue(index)
                return true
            }
            share -= 1
            switch receive(index, isUp: isUp, stranger: false) {
            case nil:
                counters.add(.limitChunks)
                return starve(index)
            case (.moved, let isShort)?:
                isDrained = isShort && !ending
                if isUp || slots[index].isOpaque { slots[index].lastActivity = now }
                if !isUp, slots[index].awaitsConnack { awaitConnackLonger(index) }
                // What is dropped gives nobody more time.
                if slots[index].firstToEnd != 0, !edges[edge][isUp: isUp].isClosed {
                    slots[index].deadline = now + Self.halfCloseTime
                }
            case (.wouldBlock, _)?: return true
            case (.ended, _)?:
                edges[edge][isUp: isUp].isEnded = true
                slots[index][isUp: isUp].isEnded = true
                if isTruncated(index, isUp: isUp) { counters.add(.tlsTruncated) }
            case (.failed, _)?:
                endReset(index, isClient: isUp)
                return false
            }
        }
    }

    /// All chunks are in use: the session goes on when one may have become free.
    private func starve(_ index: UInt32) -> Bool {
        releaseSpentOutput(slots[index].edge)
        isStarved = true
        queue(index)
        return true
    }

    private func releaseSpentOutput(_ edge: UInt32) {
        for isUp in [true, false] where edges[edge][isUp: isUp].unsent == 0 { releaseOutput(edge, isUp: isUp) }
    }

    // MARK: One step

    private enum Step {
        case moved, empty, over, starved, failed(client: Bool)
        /// The session has ended.
        case gone
    }

    /// Transforms once: an answer that is owed, or what stands before the relay, or the next bytes of the source; then
    /// commits. The output is empty when it begins.
    private func step(_ index: UInt32, isUp: Bool) -> Step {
        let edge = slots[index].edge
        let layers = edges[edge].layers
        let framed = layers.hasWebSocket(client: !isUp)
        let heard = framed ? edges[edge][isUp: !isUp].ending : .open
        if owesRecords(index, isUp: isUp) {
            guard !isExhausted(index, isUp: isUp) else {
                retire(index)
                return .gone
            }
            return answerRecords(index, isUp: isUp) ? .moved : unsaid(index, isUp: isUp)
        }
        if owesControl(index, isUp: isUp) { return answerControl(index, isUp: isUp) ? .moved : unsaid(index, isUp: isUp) }
        if edges[edge][isUp: isUp].isClosed || !heard.isOpen {
            var isOver = isUp
            if case .violated = heard { isOver = true }
            discard(index, isUp: isUp, isOver: isOver)
        } else {
            if slots[index][isUp: isUp].chunk != 0 { return passPlain(index, isUp: isUp) }
            if isReady(index, isUp: isUp) { return transform(index, isUp: isUp) }
        }
        guard slots[index][isUp: isUp].isEnded else { return .empty }
        let isOver = edges[edge][isUp: isUp].isClosed || !framed
        if isOver, edges[edge][isUp: isUp].isSealed { return .over }
        let isCut = isCut(index, isUp: isUp)
        if isCut, isOver, layers.hasTLS(client: !isUp) || slots[index].isOpaque {
            sealOff(index, isUp: isUp)
            return .moved
        }
        if !layers.hasRecords(client: !isUp) {
            if let session = tls(index, client: !isUp) {
                switch session.state {
                case .closed, .failed: if isOver { return .over }
                case .established, .ended, .handshaking: break
                }
            } else if isOver {
                return .over
            }
        }
        var code = isCut ? CloseCode.internalError : .normal
        if case .violated(let violation) = heard { code = violation.closeCode }
        return sayGoodbye(index, toClient: !isUp, code) ? .moved : unsaid(index, isUp: isUp)
    }

    /// Something of ours was not taken: for want of a chunk, or because nothing can be sealed for that side any more.
    private func unsaid(_ index: UInt32, isUp: Bool) -> Step {
        edges[slots[index].edge][isUp: isUp].isSealed ? .failed(client: !isUp) : .starved
    }

    /// Nothing may follow to this destination: what the source still says is dropped.
    ///
    /// A server is heard to its own end all the same: it may not have read what the client sent before its close, and closing
    /// its socket with bytes unread, or before its answers, is a reset that destroys them on their way.
    ///
    /// - Parameter isOver: nobody waits for the source either.
    private func discard(_ index: UInt32, isUp: Bool, isOver: Bool) {
        let edge = slots[index].edge
        if slots[index][isUp: isUp].chunk != 0 { chunks.release(slots[index][isUp: isUp].chunk) }
        slots[index][isUp: isUp].chunk = 0
        var progress = edges[edge][isUp: isUp].progress
        progress.consumed = edges[edge][isUp: isUp].received
        progress.received = progress.passed
        commit(index, isUp: isUp, progress)
        releaseInput(edge, isUp: isUp)
        if isOver { slots[index][isUp: isUp].isEnded = true }
    }

    /// Passes on what was read as MQTT before the relay began, or was kept back for a look.
    private func passPlain(_ index: UInt32, isUp: Bool) -> Step {
        let flow = slots[index][isUp: isUp]
        guard !flow.isEmpty else {
            slots[index][isUp: isUp].chunk = 0
            chunks.release(flow.chunk)
            return .moved
        }
        var end = flow.received
        if !isUp {
            followDown(index, flow.chunk, Int(end - flow.base))
            end -= unlooked(index)
            if end == flow.sent { return lookBehindEdge(index) }
        }
        guard prepareOutput(slots[index].edge, isUp: isUp) else { return .starved }
        let start = Int(flow.sent - flow.base)
        let count = min(Int(end - flow.sent), roomForBytes(index, isUp: isUp))
        scratch.copy(flow.chunk, start..<start + count, of: chunks, to: EdgeScratch.payload)
        var progress = edges[slots[index].edge][isUp: isUp].progress
        return pass(index, isUp: isUp, EdgeScratch.payload..<EdgeScratch.payload + count, &progress)
    }

    /// Transforms what the source sent.
    private func transform(_ index: UInt32, isUp: Bool) -> Step {
        let edge = slots[index].edge
        guard prepareOutput(edge, isUp: isUp) else { return .starved }
        var progress = edges[edge][isUp: isUp].progress
        guard var range = take(index, isUp: isUp, limit: roomForBytes(index, isUp: isUp), &progress) else {
            return .failed(client: isUp)
        }
        if slots[index].isLeaving, !isUp,
            let end = scratch.firstEnd(range, at: progress.passed, slots[index].boundary)
        {
            // The session ends there: what is behind is nobody's.
            range = range.lowerBound..<range.lowerBound + end
        }
        let offset = progress.passed
        progress.received += UInt64(range.count)
        if !isUp, !slots[index].isOpaque {
            scratch.follow(range, at: offset, &slots[index].boundary, stopping: slots[index].stops)
            let rest = unlooked(index, of: progress.received)
            if rest > 0 {
                guard keepBack(index, range, at: offset) else { return .gone }
                range = range.dropLast(Int(rest))
            }
        }
        let result = pass(index, isUp: isUp, range, &progress)
        releaseSpentInput(edge, isUp: isUp)
        return result
    }

    /// Takes what the source sent off its wire and out of its frames; `nil` when its TLS failed.
    private func take(_ index: UInt32, isUp: Bool, limit: Int, _ progress: inout EdgeProgress) -> Range<Int>? {
        let edge = slots[index].edge
        var range: Range<Int>
        do throws(TLSError) {
            range = try open(index, isUp: isUp, limit: limit, &progress)
        } catch {
            counters.add(error.kind, client: isUp)
            return nil
        }
        if edges[edge].layers.hasWebSocket(client: isUp) {
            range = scratch.unframe(range, &progress, &edges[frames: edge, isUp: isUp])
            if !progress.ending.isOpen {
                slots[index][isUp: isUp].isEnded = true
                if case .violated(let violation) = progress.ending { counters.add(violation) }
            }
        }
        return range
    }

    // MARK: Packets that are looked at

    /// Keeps bytes for the client that were taken, behind those of them that are passed on at once, where ``passPlain(_:isUp:)`` finds
    /// them. `false` when the session has ended for want of a chunk.
    ///
    /// Until the commit they are nobody's: the chunk begins where nothing was received yet.
    private func keepBack(_ index: UInt32, _ range: Range<Int>, at offset: UInt64) -> Bool {
        guard let chunk = chunks.allocate() else {
            counters.add(.limitChunks)
            end(index, .limit)
            return false
        }
        Chaos.point(.keptChunkTaken)
        scratch.copy(range, into: chunk, of: chunks, at: 0)
        slots[index].down.base = offset
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        slots[index].down.chunk = chunk
        Chaos.point(.keptBack)
        return true
    }

    /// Looks at the packet that was kept back; takes more of it when it is not whole.
    private func lookBehindEdge(_ index: UInt32) -> Step {
        switch judgePacket(index) {
        case .passed: return .moved
        case .over: return .gone
        case .more: break
        }
        guard isReady(index, isUp: false) else {
            guard slots[index].down.isEnded else { return .empty }
            depart(index, .serverClosed, nil)
            return .gone
        }
        let edge = slots[index].edge
        // A record is opened as a whole.
        let needed = edges[edge].layers.hasRecords(client: false) ? recordLength(index, isUp: false) ?? 0 : 1
        let room = roomBehind(index, atLeast: needed)
        var progress = edges[edge].down.progress
        guard let range = take(index, isUp: false, limit: room, &progress) else { return .failed(client: false) }
        appendPlain(index, isUp: false, range, &progress)
        return .moved
    }

    /// Most MQTT bytes of a step: what surely has room in an empty output.
    private func roomForBytes(_ index: UInt32, isUp: Bool) -> Int {
        roomForSealed(slots[index].edge, client: !isUp) - Self.overhead
    }

    /// Takes what the source sent off its wire into the scratch: decrypted when it speaks TLS, else as it is.
    func open(
        _ index: UInt32, isUp: Bool, limit: Int, _ progress: inout EdgeProgress
    ) throws(TLSError) -> Range<Int> {
        let edge = slots[index].edge
        if edges[edge].layers.hasRecords(client: isUp) {
            return try openRecords(index, isUp: isUp, limit: limit, &progress)
        }
        let start = EdgeScratch.payload
        let flow = edges[edge][isUp: isUp]
        guard let session = tls(index, client: isUp) else {
            let count = min(flow.pending, limit)
            if count > 0 {
                let first = flow.pendingRange.lowerBound
                scratch.copy(flow.input.chunk, first..<first + count, of: chunks, to: start)
                progress.consumed += UInt64(count)
            }
            return start..<start + count
        }
        let mine = privates(index)
        if flow.pending > 0, !mine.holds(client: isUp) {
            try chunks.withBytes(of: flow.input.chunk, length: flow.pendingRange.upperBound) { bytes throws(TLSError) in
                try session.receive(bytes.extracting(flow.pendingRange))
            }
            progress.consumed = flow.received
        }
        var end = start
        var hasMore = true
        for _ in 0..<Share.records where end < start + limit && hasMore {
            do throws(TLSError) {
                let count = try scratch.decrypt(session, to: end, limit: start + limit)
                hasMore = count > 0
                end += count
            } catch {
                // What stands before the bad record is genuine, and is passed on first: it throws the same again.
                guard end > start else { throw error }
                break
            }
        }
        mine.setHolds(client: isUp, hasMore)
        if session.state == .ended { slots[index][isUp: isUp].isEnded = true }
        return start..<end
    }

    /// Puts MQTT bytes on the destination's wire and commits.
    private func pass(_ index: UInt32, isUp: Bool, _ range: Range<Int>, _ progress: inout EdgeProgress) -> Step {
        let edge = slots[index].edge
        if !range.isEmpty {
            var range = range
            let count = range.count
            if edges[edge].layers.hasWebSocket(client: !isUp) {
                range = scratch.frame(range, mask: mask(edge, isUp: isUp, at: progress.produced))
            }
            do throws(TLSError) {
                try deliver(index, isUp: isUp, range, &progress)
            } catch {
                counters.add(error.kind, client: !isUp)
                return .failed(client: !isUp)
            }
            progress.passed += UInt64(count)
        }
        commit(index, isUp: isUp, progress)
        return .moved
    }
}

extension EdgeProgress.Ending {
    /// The side may go on.
    var isOpen: Bool { if case .open = self { true } else { false } }
}
