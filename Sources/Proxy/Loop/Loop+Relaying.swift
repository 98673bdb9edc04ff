// Moving bytes: the path every message takes.

import Linux
import Synchronization
import Wire

extension Loop {
    /// Moves bytes of one direction until its source is empty, its destination is full, or its share of the turn is used.
    ///
    /// Edge-triggered: whatever returns here without a word will be told again by the kernel, because the last call
    /// that touched the socket said *would block*, or read less than asked from a stream that goes on.
    ///
    /// - Parameters:
    ///   - ending: A short read does not mean that the source is empty.
    ///   - isOver: The kernel has said that the source ended: behind what can be read stands its end.
    ///   - isDrained: The source is empty; what is in flight is sent.
    /// - Returns: `false` when the session has ended.
    func pump(_ index: UInt32, isUp: Bool, ending: Bool, isOver: Bool = false, isDrained: Bool = false) -> Bool {
        if slots[index].edge != 0 { return pumpEdge(index, isUp: isUp, ending: ending) }
        let source = isUp ? slots[index].client : slots[index].server
        let destination = isUp ? slots[index].server : slots[index].client
        var isDrained = isDrained
        var share = Share.chunks
        // The chunk holds the last bytes of the stream.
        var isLast = false
        while true {
            if slots[index][isUp: isUp].chunk != 0 {
                switch flush(index, isUp: isUp, to: destination, isLast: isLast) {
                case .done: break
                case .stopped:
                    switch look(index, ending: ending, isDrained: &isDrained, share: &share) {
                    case .passed: continue
                    case .more: return true
                    case .over: return false
                    }
                case .blocked: return true
                case .failed:
                    destinationFailed(index, isUp: isUp)
                    return false
                }
            }
            if slots[index][isUp: isUp].pipe != 0 {
                switch flushPipe(index, isUp: isUp, to: destination) {
                case .done, .stopped: break
                case .blocked: return true
                case .failed:
                    destinationFailed(index, isUp: isUp)
                    return false
                }
            }
            if slots[index][isUp: isUp].isEnded { return passEnd(index, isUp: isUp, to: destination) }
            var most = chunks.size
            if slots[index].isLeaving, !isUp {
                guard let missing = missing(index), missing > 0 else {
                    depart(index)
                    return false
                }
                most = min(most, missing)
            }
            if isDrained { return true }
            if share == 0 {
                queue(index)
                return true
            }
            share -= 1
            if slots[index][isUp: isUp].streak >= Bulk.streak {
                switch fillPipe(index, isUp: isUp, from: source, most: slots[index].isLeaving ? most : .max) {
                case .moved:
                    share = max(0, share - Bulk.share)
                    continue
                case .failed:
                    end(index, isUp ? .clientReset : .serverReset)
                    return false
                case .wouldBlock, .ended, nil: break
                }
            }
            guard let chunk = chunks.allocate() else {
                counters.add(.limitChunks)
                isStarved = true
                queue(index)
                return true
            }
            // A successor believes the kernel about a direction with a chunk, so the chunk is told before a byte moves, and
            // its place in the stream before that.
            Chaos.point(.chunkTaken)
            slots[index][isUp: isUp].base = slots[index][isUp: isUp].received
            Chaos.point(.baseStored)
            atomicMemoryFence(ordering: .acquiringAndReleasing)
            slots[index][isUp: isUp].chunk = chunk
            Chaos.point(.chunkStored)
            switch chunks.receive(source, into: chunk, at: 0, most: most) {
            case .moved(let count):
                Chaos.point(.received)
                slots[index][isUp: isUp].received += UInt64(count)
                Chaos.point(.receivedStored)
                isDrained = count < most && !ending
                isLast = isOver && count < most
                if slots[index][isUp: isUp].streak < Bulk.streak || count < chunks.size {
                    slots[index][isUp: isUp].streak = count == chunks.size ? slots[index][isUp: isUp].streak + 1 : 0
                }
                if !isUp { followDown(index, chunk, count) }
                heard(index, isUp: isUp)
            case .wouldBlock:
                Chaos.point(.readNothing)
                slots[index][isUp: isUp].chunk = 0
                chunks.release(chunk)
                return true
            case .ended:
                Chaos.point(.endHeard)
                slots[index][isUp: isUp].chunk = 0
                chunks.release(chunk)
                slots[index][isUp: isUp].isEnded = true
                Chaos.point(.endStored)
            case .failed:
                slots[index][isUp: isUp].chunk = 0
                chunks.release(chunk)
                end(index, isUp ? .clientReset : .serverReset)
                return false
            }
        }
    }

    /// Somebody spoke: a client is not silent, and when one side has ended, the other may speak on for as long as it does.
    @inline(__always)
    func heard(_ index: UInt32, isUp: Bool) {
        if isUp || slots[index].isOpaque { slots[index].lastActivity = now }
        if !isUp, slots[index].awaitsConnack { awaitConnackLonger(index) }
        if slots[index].firstToEnd != 0 { slots[index].deadline = now + Self.halfCloseTime }
    }

    /// The destination of a direction is gone, and the session with it. What a server said before, why it goes perhaps (MQTT 5.0, 3.14),
    /// is still to be read: a reset leaves it in our socket.
    func destinationFailed(_ index: UInt32, isUp: Bool) {
        guard isUp else { return end(index, .clientReset) }
        guard pump(index, isUp: false, ending: true) else { return }
        guard slots[index].edge == 0, slots[index].down.isEmpty else { return end(index, .serverReset) }
        depart(index, .serverReset, nil)
    }

    enum Flushed {
        case done, blocked, failed
        /// What is left begins with a packet that is to be looked at.
        case stopped
    }

    /// Sends what the direction's chunk holds.
    @inline(__always)
    private func flush(_ index: UInt32, isUp: Bool, to destination: Int32, isLast: Bool) -> Flushed {
        let chunk = slots[index][isUp: isUp].chunk
        while true {
            let flow = slots[index][isUp: isUp]
            if flow.isEmpty {
                slots[index][isUp: isUp].chunk = 0
                Chaos.point(.chunkForgotten)
                chunks.release(chunk)
                return .done
            }
            let end = isUp ? flow.received : flow.received - unlooked(index)
            if end == flow.sent { return .stopped }
            switch chunks.send(
                destination, from: chunk, Int(flow.sent - flow.base), Int(end - flow.base),
                isLast: isLast && end == flow.received)
            {
            case .moved(let count):
                Chaos.point(.sent)
                slots[index][isUp: isUp].sent += UInt64(count)
                Chaos.point(.sentStored)
            case .wouldBlock, .ended:
                return .blocked
            case .failed: return .failed
            }
        }
    }

    /// Passes the end of a stream on; when both have ended, the session is over.
    func passEnd(_ index: UInt32, isUp: Bool, to destination: Int32) -> Bool {
        if !slots[index][isUp: isUp].isShut {
            let isAborted = isAborted(index, isUp: isUp)
            // The second stream to end is ended by closing both sockets, at once.
            if isAborted {
                Socket.resetOnClose(destination)
            } else if slots[index].edge != 0 || !slots[index][isUp: !isUp].isShut {
                Socket.shutdownWrite(destination)
            }
            Chaos.point(.shut)
            slots[index][isUp: isUp].isShut = true
            Chaos.point(.shutStored)
            if !slots[index][isUp: !isUp].isShut {
                slots[index].firstToEnd = isUp ? 1 : 2
                // A reset waits for what goes before it, and for no other word than one that is being said.
                slots[index].deadline = now + (isAborted ? Self.lingerTime : Self.halfCloseTime)
                armIdle(index)
            }
        }
        guard slots[index].up.isShut, slots[index].down.isShut else { return true }
        let cause = slots[index].firstToEnd == 2 ? EndCause.serverClosed : .clientClosed
        if slots[index].edge != 0 { finishEdge(index, cause) } else { end(index, cause) }
        return false
    }

    /// Continues a session in the next turn.
    func queue(_ index: UInt32) {
        guard !slots[index].isQueued else { return }
        slots[index].isQueued = true
        queued.append(index)
    }
}
