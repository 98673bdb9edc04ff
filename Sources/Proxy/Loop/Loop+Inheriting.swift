// Taking over the sessions of a balancer that died (docs/survival.md).

import Linux
import Wire

extension Loop {
    /// The session is established: its sockets outlive this process from here on.
    ///
    /// Until now they were close-on-exec, so that a successor finds none that no slot knows. Their identities come first:
    /// whoever finds them in a slot can tell whether they are still these.
    func keepBeyondProcess(_ index: UInt32) {
        // What OpenSSL keeps is lost with the process.
        guard slots[index].edge == 0 else { return }
        slots[index].clientCookie = TCPCursor.cookie(slots[index].client) ?? 0
        slots[index].serverCookie = TCPCursor.cookie(slots[index].server) ?? 0
        do {
            try Descriptor.setCloseOnExec(slots[index].client, false)
            try Descriptor.setCloseOnExec(slots[index].server, false)
        } catch {
            // The session goes on; a successor will not find its sockets, and counts it as broken.
            counters.add(.inheritedBroken)
        }
    }

    /// Takes over what the predecessor left in this loop's memory: every established session goes on where the kernel says
    /// it stands, everything else is closed and counted.
    ///
    /// - Parameter inheritance: What the numbers in the slots mean; `nil`: nobody knows, and nothing lives on.
    func inherit(_ inheritance: SurvivalDirectory.Translation?) {
        let suspect = slots.inHand
        slots.inHand = 0
        var usedChunks: Set<UInt32> = []
        var usedKeys: Set<UInt32> = []
        for index in 1..<slots.end where slots[index].phase != .free {
            if let reason = obstacle(index, inheritance, suspect: suspect) {
                counters.add(reason)
                abandon(index)
                continue
            }
            let slot = slots[index]
            let chain = keys.chain(of: slot) ?? []
            let held = [slot.up.chunk, slot.down.chunk].filter { $0 != 0 }
            // What two sessions claim cannot be either's.
            guard usedChunks.isDisjoint(with: held), Set(held).count == held.count, usedKeys.isDisjoint(with: chain)
            else {
                counters.add(.inheritedBroken)
                abandon(index)
                continue
            }
            usedChunks.formUnion(held)
            usedKeys.formUnion(chain)
        }
        slots.rebuild()
        chunks.rebuild(inUse: usedChunks)
        keys.rebuild(inUse: usedKeys)
        for index in 1..<slots.end where slots[index].phase == .relaying { takeIn(index) }
    }

    /// Why a session cannot go on; `nil`: it can, and its cursors and numbers are right now.
    private func obstacle(
        _ index: UInt32, _ inheritance: SurvivalDirectory.Translation?, suspect: UInt32
    ) -> ProxyCounter? {
        let slot = slots[index]
        guard slot.phase == .relaying else {
            // Only the end of a refusal was still to come.
            return slot.phase == .lingering ? .inheritedEnding : .inheritedBeginning
        }
        guard slot.edge == 0 else { return .inheritedOpaque }
        // Its end had begun: one of its sockets is closed.
        guard slot.clientCookie != 0, TCPCursor.cookie(slot.client) == slot.clientCookie, slot.serverCookie != 0,
            TCPCursor.cookie(slot.server) == slot.serverCookie
        else { return .inheritedEnding }
        guard let inheritance, Int(slot.listener) < inheritance.listeners.count,
            Int(slot.backendNumber) < inheritance.backends.count,
            Int(slot.serverIndex) < inheritance.servers[Int(slot.backendNumber)].count,
            let listener = inheritance.listeners[Int(slot.listener)],
            let backend = inheritance.backends[Int(slot.backendNumber)],
            let server = inheritance.servers[Int(slot.backendNumber)][Int(slot.serverIndex)]
        else { return .inheritedHomeless }
        guard keys.chain(of: slot) != nil, recover(index, isUp: true), recover(index, isUp: false) else {
            return .inheritedBroken
        }
        if index == suspect {
            // Twice at the same byte is no chance.
            let moved = slots[index].moved
            guard slot.diedAfter != moved else { return .inheritedPoison }
            slots[index].diedAfter = moved
        }
        slots[index].listener = listener
        slots[index].backendNumber = backend
        slots[index].serverIndex = server
        slots[index].table =
            Int(slot.table) < inheritance.tables.count
            ? inheritance.tables[Int(slot.table)] ?? Slot.noTable : Slot.noTable
        return nil
    }

    /// Asks the kernel how far a direction has come, if anything of it was in flight; `false` when that makes no sense.
    private func recover(_ index: UInt32, isUp: Bool) -> Bool {
        let flow = slots[index][isUp: isUp]
        guard flow.chunk != 0 else { return flow.received == flow.sent }
        guard Int(flow.chunk) <= chunks.count else { return false }
        let (source, destination) = isUp ? (slots[index].client, slots[index].server) : (slots[index].server, slots[index].client)
        // We connected to the server; the client connected to us. What was edited at the beginning of the stream, the kernel
        // counted as it went.
        guard let taken = TCPCursor.received(source), taken >= UInt64(flow.skipped),
            let given = TCPCursor.sent(destination, isConnector: isUp),
            given &+ UInt64(flow.replaced) >= UInt64(flow.added)
        else { return false }
        let received = taken - UInt64(flow.skipped)
        let sent = given + UInt64(flow.replaced) - UInt64(flow.added)
        guard flow.base <= sent, sent <= received, received - flow.base <= UInt64(chunks.size),
            flow.received <= received, flow.sent <= sent
        else { return false }
        slots[index][isUp: isUp].received = received
        slots[index][isUp: isUp].sent = sent
        // What the predecessor had not followed yet is still in the chunk.
        if !isUp { followDown(index, flow.chunk, Int(received - flow.base)) }
        return true
    }

    /// Closes what is still this session's, and frees the slot.
    private func abandon(_ index: UInt32) {
        let slot = slots[index]
        if slot.clientCookie != 0, TCPCursor.cookie(slot.client) == slot.clientCookie { Descriptor.close(slot.client) }
        if slot.serverCookie != 0, TCPCursor.cookie(slot.server) == slot.serverCookie { Descriptor.close(slot.server) }
        slots[index].phase = .free
        slots[index].generation = (slot.generation &+ 1) & 0x3FFF_FFFF
    }

    /// Counts a session where it belongs, and waits for it.
    private func takeIn(_ index: UInt32) {
        let slot = slots[index]
        counters.add(.accepted)
        counters.add(.inherited)
        slots[index].bucket = TimerWheel.none
        slots[index].isQueued = false
        slots[index].leaving = 0
        // A new generation: what the former poller still tells finds nobody.
        slots[index].generation = (slot.generation &+ 1) & 0x3FFF_FFFF
        let listener = snapshot.listeners[Int(slot.listener)]
        if slot.isListed { listener.sessions.add(1) }
        if slot.sourcePrefix != 0 { listener.admission.inherit(slot.peer.address, prefix: slot.sourcePrefix) }
        if slot.isCounted {
            let backend = snapshot.backends[Int(slot.backendNumber)]
            slots[index].sourceIndex = backend.inherit(on: Int(slot.serverIndex), source: slot.sourceIndex)
        }
        pin(index)
        do {
            // Whatever either side has to tell is told again: nothing the predecessor was told is lost with it.
            try poller.add(slot.client, tag: tag(index, isServer: false))
            try poller.add(slot.server, tag: tag(index, isServer: true))
            armIdle(index)
        } catch {
            counters.add(.inheritedBroken)
            end(index, .failure)
        }
    }

    /// The client is connected, as the stick table must know: nobody is, after a restart.
    private func pin(_ index: UInt32) {
        let slot = slots[index]
        guard slot.table != Slot.noTable else { return }
        slots[index].table = Slot.noTable
        let server = snapshot.backends[Int(slot.backendNumber)].serverID(Int(slot.serverIndex))
        let table = snapshot.tables[Int(slot.table)]
        switch table.connected(keys.load(slot), server: server, at: Instant(nanoseconds: now)) {
        case .learned, .known, .moved: slots[index].table = slot.table
        case .refused: counters.add(.stickRefused)
        }
    }
}
