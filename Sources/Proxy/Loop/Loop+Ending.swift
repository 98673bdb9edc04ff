// The end of a session, whatever its cause, and its deadlines.

import Balancing
import Linux
import Synchronization
import Wire

extension Loop {
    /// Closes both sides and gives everything back.
    func end(_ index: UInt32, _ cause: EndCause) {
        if slots[index].edge != 0 { announceEnd(index, cause) }
        let slot = slots[index]
        precondition(slot.phase != .free, "a session ends once")
        // A successor finds that its end had begun, whatever is still there of it.
        slots[index].phase = .lingering
        if slot.phase == .orphaned { orphans -= 1 }
        Chaos.point(.endBegun)
        wheel.disarm(index, slots)
        if !slot.isRecorded { record(slot, index, cause) }
        if slot.isPinned {
            snapshot.tables[Int(slot.table)].disconnected(keys.load(slot), at: Instant(nanoseconds: now))
        }
        Chaos.point(.tableLeft)
        let totals = snapshot.listeners[Int(slot.listener)].totals
        totals.add(slot.connackAfter == Slot.never && !slot.isOpaque ? .refused : .ended)
        totals.add(.bytesUp, slot.up.sent)
        totals.add(.bytesDown, slot.down.sent)
        counters.add(.bytesUp, slot.up.sent)
        counters.add(.bytesDown, slot.down.sent)
        release(index, isUp: true)
        Chaos.point(.upForgotten)
        leaveServer(index)
        Chaos.point(.serverForgotten)
        closeEdge(index)
        Chaos.point(.edgeForgotten)
        Descriptor.close(slot.client)
        Chaos.point(.clientClosed)
        keys.clear(&slots[index])
        Chaos.point(.keysCleared)
        if !prefaces.isEmpty { forgetPreface(index, isEstablished: false) }
        if !originals.isEmpty { forgetOriginal(index) }
        leaveListener(slot)
        counters.add(.closed)
        // A refusal at the door was counted when it was found.
        if slot.doom == 0 { counters.add(cause) }
        slots[index].isQueued = false
        slots.free(index)
        Chaos.point(.slotFreed)
    }

    /// Gives back what the directions hold, keeping their counts.
    func releaseChunks(_ index: UInt32) {
        release(index, isUp: true)
        release(index, isUp: false)
    }

    /// Gives back what one direction holds, with what is in it.
    func release(_ index: UInt32, isUp: Bool) {
        if slots[index][isUp: isUp].chunk != 0 { chunks.release(slots[index][isUp: isUp].chunk) }
        slots[index][isUp: isUp].chunk = 0
        leavePipe(index, isUp: isUp)
    }

    // MARK: Ends that wait

    /// Whether an end that was told may wait: established sessions are queued, so that a successor knows of it, and of others nobody
    /// inherits anything. A server that is not reached yet is left for another one, whose events have the same tag.
    @inline(__always)
    func mayWait(_ index: UInt32, isServer: Bool) -> Bool { !isServer || slots[index].phase == .relaying }

    /// The end of one side's stream, or of its connection, within the part of a turn that ends get.
    @inline(never)
    func endingEvent(_ index: UInt32, _ event: EdgePoller.Event) {
        if waitingEnds.isEmpty, waitingEnds.hasTime {
            let start = Clock.now.nanoseconds
            serve(index, event, isServer: Tag(event.tag).isServer)
            waitingEnds.charge(Clock.now.nanoseconds - start)
            return
        }
        counters.add(.endsPostponed)
        if slots[index].phase == .relaying { slots[index].isQueued = true } else { slots[index].isClientUnread = true }
        waitingEnds.append(event)
    }

    /// Serves those that have waited for longest.
    @inline(never)
    func continueEnds() {
        var start = Clock.now.nanoseconds
        while let event = waitingEnds.popFirst() {
            let tag = Tag(event.tag)
            let index = tag.index
            guard slots[index].generation == tag.generation else { continue }
            slots.inHand = index
            if slots[index].phase == .relaying {
                // In hand or queued: whoever dies between, it is continued.
                atomicMemoryFence(ordering: .acquiringAndReleasing)
                slots[index].isQueued = false
                Chaos.point(.continued)
                // Bytes of the other side may have been left to this, as to any session that is queued.
                if pump(index, isUp: true, ending: true), pump(index, isUp: false, ending: true), event.isDead {
                    endIfReset(index, tag.isServer ? slots[index].server : slots[index].client, tag.isServer ? .serverReset : .clientReset)
                }
            } else {
                serve(index, event, isServer: tag.isServer)
            }
            let now = Clock.now.nanoseconds
            waitingEnds.charge(now - start)
            start = now
        }
        slots.inHand = 0
    }

    // MARK: Deadlines

    /// The session's phase ends by itself at `deadline` (nanoseconds).
    func setDeadline(_ index: UInt32, _ deadline: Int64) {
        slots[index].deadline = deadline
        wheel.arm(index, slots, deadline: deadline)
    }

    /// Looks again when the client may have been silent for too long, or its half-closed session is over.
    func armIdle(_ index: UInt32) { wheel.arm(index, slots, deadline: relayDeadline(index)) }

    private func relayDeadline(_ index: UInt32) -> Int64 {
        let (silence, overflow) = slots[index].lastActivity.addingReportingOverflow(slots[index].idle)
        return min(slots[index].deadline, overflow ? .max : silence)
    }

    /// Ends what is due, and looks later at what has been active meanwhile.
    @inline(never)
    func serveDeadlines() {
        isLate = false
        var limit: Int64?
        for _ in 0..<Share.deadlines {
            if let limit, Clock.now.nanoseconds > limit { break }
            guard let index = wheel.popDue(slots, at: now) else { return }
            let deadline = slots[index].phase == .relaying ? relayDeadline(index) : slots[index].deadline
            guard deadline <= now else {
                wheel.arm(index, slots, deadline: deadline)
                continue
            }
            if limit == nil { limit = Clock.now.nanoseconds + Share.deadlineTime }
            slots.inHand = index
            switch slots[index].phase {
            case .securing: end(index, .handshakeDeadline)
            case .preamble where slots[index].awaitsProxy: end(index, .proxyDeadline)
            case .upgrading, .preamble: end(index, preambleTimeout(index))
            case .held: letGo(index)
            case .connecting, .opening, .awaiting: judgeServer(index)
            case .relaying: endSilent(index)
            case .lingering: end(index, EndCause(rawValue: Int(slots[index].reason)) ?? .refused)
            case .orphaned: end(index, .unkept)
            case .free: break
            }
        }
        isLate = true
    }

    /// Neither side may be silent for ever, but who is not being read is not silent.
    private func endSilent(_ index: UInt32) {
        if slots[index].deadline <= now {
            if slots[index].firstToEnd == 0, slots[index].awaitsConnack { endUnauthenticated(index) } else { end(index, .halfClosed) }
        } else if isHeld(index, isUp: true) {
            slots[index].lastActivity = now
            armIdle(index)
        } else if slots[index].isQueued || Socket.hasBytes(slots[index].client) {
            // It spoke, and it was us who did not listen: the machine stood still, or more happened than one turn serves.
            slots[index].lastActivity = now
            armIdle(index)
            queue(index)
        } else {
            end(index, .idle)
        }
    }
}
