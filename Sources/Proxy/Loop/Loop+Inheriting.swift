// Taking over the sessions of a balancer that died (docs/survival.md).

import Linux
import Synchronization
import Wire

extension Loop {
    /// The session is established: its sockets outlive this process from here on.
    ///
    /// Until now they were close-on-exec, so that a successor finds none that no slot knows. Their identities come first:
    /// whoever finds them in a slot can tell whether they are still these.
    func keepBeyondProcess(_ index: UInt32) {
        if Mortality.isMortal { return }
        slots[index].clientCookie = TCPCursor.cookie(slots[index].client) ?? 0
        Chaos.point(.clientCookieStored)
        slots[index].serverCookie = TCPCursor.cookie(slots[index].server) ?? 0
        Chaos.point(.serverCookieStored)
        do {
            try Descriptor.setCloseOnExec(slots[index].client, false)
            Chaos.point(.clientKept)
            try Descriptor.setCloseOnExec(slots[index].server, false)
            Chaos.point(.serverKept)
        } catch {
            // The session goes on; a successor will not find its sockets, and counts it as ending.
            counters.add(.inheritedBroken)
        }
    }

    /// The client ID of the session a loop had in hand when its process died, if the session was not established; before the loop
    /// that adopts the memory.
    static func unestablishedInHand(_ memory: LoopMemory) -> [UInt8]? {
        let slots = SlotArena(capacity: memory.capacity, region: memory.slots)
        let index = slots.inHand
        guard index > 0, index < slots.end, slots[index].keyLength > 0 else { return nil }
        switch slots[index].phase {
        case .preamble, .held, .connecting, .opening, .awaiting: break
        case .free, .securing, .upgrading, .relaying, .lingering, .orphaned: return nil
        }
        let keys = KeyStore(blocks: memory.keyBlocks, region: memory.keys)
        return keys.chain(of: slots[index]) == nil ? nil : keys.load(slots[index])
    }

    /// What adopted sessions hold: what two claim can be neither's.
    private struct Claims {
        var chunks: Set<UInt32> = []
        var pipes: Set<UInt8> = []
        var keys: Set<UInt32> = []
        var edges: Set<UInt32> = []
    }

    /// Takes over what the predecessor left in this loop's memory: every established session goes on where the kernel says
    /// it stands, everything else is closed and counted.
    ///
    /// - Parameter inheritance: What the numbers in the slots mean; `nil`: nobody knows, and nothing lives on.
    func inherit(_ inheritance: SurvivalDirectory.Translation?) {
        let suspect = slots.inHand
        if suspect > 0, suspect < slots.end {
            slots[suspect].isQueued = true
            atomicMemoryFence(ordering: .acquiringAndReleasing)
        }
        slots.inHand = 0
        edges.beginAdoption()
        // Keys first: sessions are judged by those in force.
        settleKeys()
        secrets.wipeChanges()
        var claims = Claims()
        let places = inheritance.map(InheritedPlaces.init)
        for index in 1..<slots.end where slots[index].phase != .free {
            var reason = obstacle(index, places, suspect: suspect)
            Chaos.point(.slotRecovered)
            if reason == .inheritedOpaque { orphan(index) }
            if reason == nil || reason == .inheritedOpaque, !claim(index, &claims) { reason = .inheritedBroken }
            if let reason {
                counters.add(reason)
                Chaos.lose(reason)
            }
            guard reason != nil, reason != .inheritedOpaque else { continue }
            abandon(index)
            Chaos.point(.slotAbandoned)
        }
        slots.rebuild()
        chunks.rebuild(inUse: claims.chunks)
        pipes.rebuild(inUse: claims.pipes)
        keys.rebuild(inUse: claims.keys)
        edges.rebuild(inUse: claims.edges)
        Chaos.point(.rebuilt)
        var orphans: [UInt32] = []
        var counts = InheritedCounts()
        unsettled.reserveCapacity(slots.used)
        for index in 1..<slots.end {
            switch slots[index].phase {
            case .relaying: takeIn(index, &counts)
            case .orphaned: orphans.append(index)
            default: break
            }
        }
        counters.add(.inherited, UInt64(counts.sessions))
        closeInTurn(orphans, &counts)
        tell(counts)
        replay()
        Chaos.point(.inherited)
    }

    /// Serves the events that the predecessor had been told of and had not served: the kernel does not tell of them again. Those of
    /// sessions that are no more find nobody.
    private func replay() {
        // Negative control of a chaos build.
        let areLost = Chaos.has(.losesEvents)
        for index in 0..<poller.batch where poller[index].tag != 0 {
            let tag = Tag(poller[index].tag)
            if !areLost, tag.isSession, tag.index < slots.end {
                counters.add(.inheritedEvents)
                dispatch(poller[index])
            }
            Chaos.point(.replayed)
            forgetEvent(index)
        }
        slots.inHand = 0
    }

    /// Why a session cannot go on; `nil`: it can, and its cursors and numbers are right now. What has no hope is said to be
    /// ``ProxyCounter/inheritedOpaque`` only when its sockets and its place are its own.
    private func obstacle(
        _ index: UInt32, _ places: InheritedPlaces?, suspect: UInt32
    ) -> ProxyCounter? {
        let slot = slots[index]
        guard slot.phase == .relaying || slot.phase == .orphaned else {
            // Only the end of a refusal was still to come.
            return slot.phase == .lingering ? .inheritedEnding : .inheritedBeginning
        }
        // Its sockets were never to live on. Whether they are what they were is asked at once where something is in flight, and where
        // nothing is, once the sessions are served.
        guard slot.clientCookie != 0, slot.serverCookie != 0, !isOwed(index) || isItself(index) else { return .inheritedEnding }
        var moved = slot
        guard let places, places.translate(&moved) else { return .inheritedHomeless }
        let isOpaque = slot.phase == .orphaned || isLost(index)
        if !isOpaque {
            guard recover(index, isUp: true), recover(index, isUp: false), hasKeys(index) else {
                // A connection that was reset does not tell any more how far it had come, and goes nowhere.
                let isOver = TCPCursor.isClosed(slot.client) || TCPCursor.isClosed(slot.server)
                return isOver ? .inheritedEnding : .inheritedBroken
            }
        }
        if index == suspect, !isOpaque, isMidway(index) {
            // Two deaths in a row over the same bytes are no chance.
            let count = movedBytes(index)
            let death = poison?.death ?? 0
            guard slot.diedAfter != count || slot.diedAt &+ 1 != death || Chaos.spares() else { return .inheritedPoison }
            slots[index].diedAfter = count
            slots[index].diedAt = death
        }
        slots[index].listener = moved.listener
        slots[index].backendNumber = moved.backendNumber
        slots[index].serverIndex = moved.serverIndex
        slots[index].table = moved.table
        return isOpaque ? .inheritedOpaque : nil
    }

    /// Whether the socket behind a number is the one it was.
    func isStill(_ number: Int32, _ cookie: UInt64) -> Bool { cookie != 0 && TCPCursor.cookie(number) == cookie }

    /// Whether both sockets are those the session was established with.
    func isItself(_ index: UInt32) -> Bool {
        isStill(slots[index].client, slots[index].clientCookie) && isStill(slots[index].server, slots[index].serverCookie)
    }

    /// Whether the session has to go on without an event. Any other was read until there was nothing more, so that the next byte is
    /// an event, which is still in the kernel or among those that are told again.
    private func isOwed(_ index: UInt32) -> Bool {
        slots[index].isQueued || slots[index].isLeaving || slots[index].edge != 0
            || slots[index].up.chunk | slots[index].down.chunk != 0 || slots[index].up.pipe | slots[index].down.pipe != 0
    }

    /// Whether what the session needs was in the memory of the process that died.
    private func isLost(_ index: UInt32) -> Bool {
        let edge = slots[index].edge
        guard edge != 0, Int(edge) <= edges.capacity, edges[edge].slot == index else { return false }
        return edges[edge].layers.isOpaque
    }

    /// Whether the numbers of its records count with the keys that are there.
    private func hasKeys(_ index: UInt32) -> Bool {
        let edge = slots[index].edge
        guard edge != 0 else { return true }
        return [true, false].allSatisfy { client in
            guard edges[edge].layers.hasRecords(client: client) else { return true }
            let (from, to) = (edges[edge][isUp: client].progress, edges[edge][isUp: !client].progress)
            return secrets.matches(edge, client: client, reading: from.readGeneration, writing: to.writeGeneration)
        }
    }

    /// Overwrites the keys of a session that does not go on.
    private func wipeLeft(_ index: UInt32) {
        let edge = slots[index].edge
        guard edge != 0, Int(edge) <= edges.capacity, edges[edge].slot == index else { return }
        for client in [true, false] where edges[edge].layers.hasRecords(client: client) {
            secrets.wipe(edge, client: client)
        }
    }

    /// Bytes that a session has moved, on its wires where those count apart.
    private func movedBytes(_ index: UInt32) -> UInt64 {
        let edge = slots[index].edge
        guard edge != 0 else { return slots[index].moved }
        let (up, down) = (edges[edge].up, edges[edge].down)
        return slots[index].moved &+ up.received &+ up.sent &+ down.received &+ down.sent
    }

    /// Whether bytes of the session were taken and not given.
    private func isMidway(_ index: UInt32) -> Bool {
        let edge = slots[index].edge
        guard edge != 0 else { return !slots[index].up.isEmpty || !slots[index].down.isEmpty }
        return [edges[edge].up, edges[edge].down].contains { $0.pending > 0 || $0.unsent > 0 }
    }

    // MARK: Cursors

    /// Asks the kernel how far a direction has come, if anything of it was in flight; `false` when that makes no sense.
    private func recover(_ index: UInt32, isUp: Bool) -> Bool {
        if slots[index].edge != 0 { return recoverEdge(index, isUp: isUp) }
        let flow = slots[index][isUp: isUp]
        guard flow.chunk != 0 || flow.pipe != 0 else { return flow.received == flow.sent }
        guard Int(flow.chunk) <= chunks.count, flow.chunk == 0 || flow.pipe == 0 else { return false }
        if Chaos.has(.believesCounts) { return true }
        // What was edited at the beginning of the stream, the kernel counted as it went.
        guard let received = taken(index, isUp: isUp), let given = given(index, isUp: isUp),
            given &+ UInt64(flow.replaced) >= UInt64(flow.added)
        else { return false }
        let sent = given + UInt64(flow.replaced) - UInt64(flow.added)
        guard sent <= received, flow.received <= received, flow.sent <= sent else { return false }
        if flow.pipe != 0 {
            // What was taken and not given is in the pipe, and nothing else.
            guard pipes.isWhole(flow.pipe), pipes.fill(flow.pipe).map(UInt64.init) == received - sent else { return false }
        } else {
            guard flow.base <= sent, received - flow.base <= UInt64(chunks.size) else { return false }
        }
        slots[index][isUp: isUp].received = received
        slots[index][isUp: isUp].sent = sent
        // What the predecessor had not followed yet is still in the chunk.
        if !isUp, flow.chunk != 0 { followDown(index, flow.chunk, Int(received - flow.base)) }
        return true
    }

    /// The same where bytes are transformed: the record tells what was committed, the kernel what was taken and given since. What
    /// was taken and not committed is transformed again, what was committed and not given is given.
    private func recoverEdge(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        guard Int(edge) <= edges.capacity, edges[edge].slot == index else { return false }
        let flow = edges[edge][isUp: isUp]
        let progress = flow.progress
        let size = UInt64(chunks.size)
        var received = flow.received
        if flow.input.chunk != 0 {
            guard Int(flow.input.chunk) <= chunks.count, let taken = taken(index, isUp: isUp), flow.received <= taken,
                flow.input.base <= progress.consumed, flow.input.base <= taken, taken - flow.input.base <= size
            else { return false }
            received = taken
        }
        var sent = flow.sent
        if flow.output.chunk != 0 {
            guard Int(flow.output.chunk) <= chunks.count, let given = given(index, isUp: isUp) else { return false }
            let greeted = isUp ? UInt64(edges[edge].greeted) : 0
            guard given >= greeted, given - greeted >= flow.sent, flow.output.base <= given - greeted,
                progress.produced >= flow.output.base, progress.produced - flow.output.base <= size
            else { return false }
            sent = given - greeted
        }
        guard progress.consumed <= received, flow.input.chunk != 0 || progress.consumed == received,
            sent <= progress.produced, flow.output.chunk != 0 || sent == progress.produced,
            progress.passed <= progress.received
        else { return false }
        // Bytes from before the relay that were not passed on yet stand in a chunk of their own.
        let plain = slots[index][isUp: isUp]
        if plain.chunk != 0 {
            guard Int(plain.chunk) <= chunks.count, plain.base <= progress.passed, progress.received - plain.base <= size
            else { return false }
        }
        edges[edge][isUp: isUp].received = received
        edges[edge][isUp: isUp].sent = sent
        slots[index][isUp: isUp].received = progress.received
        slots[index][isUp: isUp].sent = progress.passed
        return true
    }

    /// Bytes of a direction taken from its source's socket, behind the PROXY header of a trusted sender.
    private func taken(_ index: UInt32, isUp: Bool) -> UInt64? {
        let skipped = UInt64(slots[index][isUp: isUp].skipped)
        guard let count = TCPCursor.received(isUp ? slots[index].client : slots[index].server), count >= skipped else {
            return nil
        }
        return count - skipped
    }

    /// Bytes of a direction given to its destination's socket. We connected to the server; the client connected to us.
    private func given(_ index: UInt32, isUp: Bool) -> UInt64? {
        TCPCursor.sent(isUp ? slots[index].server : slots[index].client, isConnector: isUp)
    }

    // MARK: What becomes of it

    /// Whether what a session holds is its alone; then it is noted.
    private func claim(_ index: UInt32, _ claims: inout Claims) -> Bool {
        let slot = slots[index]
        guard let chain = keys.chain(of: slot) else { return false }
        if slot.edge == 0, slot.up.chunk | slot.down.chunk == 0, slot.up.pipe | slot.down.pipe == 0, chain.isEmpty { return true }
        let piped = [slot.up.pipe, slot.down.pipe].filter { $0 != 0 }
        guard Set(piped).count == piped.count, claims.pipes.isDisjoint(with: piped) else { return false }
        var held = [slot.up.chunk, slot.down.chunk]
        if slot.edge != 0 {
            guard claims.edges.insert(slot.edge).inserted else { return false }
            let (up, down) = (edges[slot.edge].up, edges[slot.edge].down)
            held += [up.input.chunk, up.output.chunk, down.input.chunk, down.output.chunk]
        }
        held.removeAll { $0 == 0 }
        guard Set(held).count == held.count, claims.chunks.isDisjoint(with: held), claims.keys.isDisjoint(with: chain) else {
            if slot.edge != 0 { claims.edges.remove(slot.edge) }
            return false
        }
        claims.chunks.formUnion(held)
        claims.pipes.formUnion(piped)
        claims.keys.formUnion(chain)
        return true
    }

    /// The session cannot go on: only its sockets are kept until it is their turn to be closed.
    private func orphan(_ index: UInt32) {
        wipeLeft(index)
        slots[index].phase = .orphaned
        slots[index].edge = 0
        for isUp in [true, false] {
            slots[index][isUp: isUp].chunk = 0
            slots[index][isUp: isUp].pipe = 0
        }
    }

    /// Closes what is still this session's, and frees the slot. What no established session held was closed when this process began.
    private func abandon(_ index: UInt32) {
        wipeLeft(index)
        let slot = slots[index]
        let areBelieved = Chaos.has(.believesNumbers)
        if isStill(slot.client, slot.clientCookie) || areBelieved { Descriptor.close(slot.client) }
        if isStill(slot.server, slot.serverCookie) || areBelieved { Descriptor.close(slot.server) }
        slots[index].phase = .free
        slots[index].generation = (slot.generation &+ 1) & 0x3FFF_FFFF
    }

    /// Counts a session where it belongs. Its sockets are still waited for.
    private func takeIn(_ index: UInt32, _ counts: inout InheritedCounts) {
        if isOwed(index) {
            slots[index].isQueued = true
            queued.append(index)
        }
        count(index, &counts)
        Chaos.point(.counted)
        unsettled.append(index)
        armIdle(index)
    }

    /// Sessions that cannot be kept end one after the other, so that their clients do not come back at one time.
    private func closeInTurn(_ found: [UInt32], _ counts: inout InheritedCounts) {
        orphans = found.count
        for (turn, index) in found.enumerated() {
            count(index, &counts)
            unsettled.append(index)
            setDeadline(index, now + snapshot.closeSpread / Int64(found.count) * Int64(turn + 1))
        }
    }
}
