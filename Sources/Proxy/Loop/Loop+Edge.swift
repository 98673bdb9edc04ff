// The life of an edge: given to a session when its bytes are to be transformed, taken back with it.

import Linux
import Synchronization
import TLS
import WebSocket
import Wire

extension Loop {
    /// Gives a session its edge, if it has none.
    func openEdge(_ index: UInt32) {
        guard slots[index].edge == 0 else { return }
        let edge = edges.allocate(for: index)
        slots[index].edge = edge
        company[edge] = EdgePrivate()
        // What a plain client has sent so far was read without an edge.
        let received = slots[index].up.received
        var progress = edges[edge].up.progress
        progress.consumed = received
        progress.received = received
        edges[edge].up.received = received
        edges.publish(progress, edge, isUp: true)
    }

    /// What the session's edge has in this process alone.
    func privates(_ index: UInt32) -> EdgePrivate {
        guard let found = company[slots[index].edge] else { preconditionFailure("an edge without its private part") }
        return found
    }

    /// OpenSSL's session with a side, from its beginning until its records are ours.
    @inline(__always)
    func tls(_ index: UInt32, client: Bool) -> TLSSession? {
        let layers = edges[slots[index].edge].layers
        return layers.hasTLS(client: client) && !layers.hasRecords(client: client)
            ? privates(index).tls(client: client) : nil
    }

    /// Publishes a direction's progress; the slot's counts follow it.
    func commit(_ index: UInt32, isUp: Bool, _ progress: EdgeProgress) {
        Chaos.point(.transformed)
        edges.publish(progress, slots[index].edge, isUp: isUp)
        if secrets.isChanging { settleKeys() }
        // What is said to one who lingers is no application's.
        guard slots[index].phase != .lingering else { return }
        slots[index][isUp: isUp].received = progress.received
        slots[index][isUp: isUp].sent = progress.passed
        Chaos.point(.countsFollowed)
    }

    /// Takes the edge back, with all it holds.
    func closeEdge(_ index: UInt32) {
        let edge = slots[index].edge
        guard edge != 0 else { return }
        for isUp in [true, false] {
            releaseInput(edge, isUp: isUp)
            releaseOutput(edge, isUp: isUp)
        }
        wipeRecords(index, client: true)
        wipeRecords(index, client: false)
        company[edge] = nil
        edges.release(edge)
        slots[index].edge = 0
    }

    /// Forgets what belongs to the server that is left; what the client was sent and has sent stays.
    func leaveServerEdge(_ index: UInt32) {
        let edge = slots[index].edge
        guard edge != 0 else { return }
        company[edge]?.leaveServer()
        wipeRecords(index, client: false)
        edges[edge].layers.subtract([.serverTLS, .serverWebSocket])
        releaseInput(edge, isUp: false)
        releaseOutput(edge, isUp: true)
        edges[edge].greeted = 0
        var down = EdgeProgress()
        let former = edges[edge].down.progress
        down.produced = former.produced
        down.answered = former.answered
        down.isClosed = former.isClosed
        down.writeSequence = former.writeSequence
        down.writeGeneration = former.writeGeneration
        down.told = former.told
        down.isSealed = former.isSealed
        edges.publish(down, edge, isUp: false)
        edges[edge].down.received = 0
        edges[edge].down.isEnded = false
        var up = edges[edge].up.progress
        up.produced = 0
        up.answered = 0
        up.isClosed = false
        up.passed = 0
        up.writeSequence = 0
        up.writeGeneration = 0
        up.told = 0
        up.isSealed = false
        edges.publish(up, edge, isUp: true)
        edges[edge].up.sent = 0
    }

    /// The relay begins: what only the stages before it needed is forgotten.
    func settleEdge(_ index: UInt32) {
        privates(index).settle()
        // Without anything of OpenSSL's the record is all there is.
        if !edges[slots[index].edge].layers.isOpaque { company[slots[index].edge] = nil }
    }

    /// A side speaks WebSocket from here on.
    func beginFrames(_ index: UInt32, client: Bool) {
        let edge = slots[index].edge
        edges[frames: edge, isUp: client] = EdgeFrames(isSourceClient: client)
        edges[edge].layers.insert(client ? .clientWebSocket : .serverWebSocket)
    }

    // MARK: Chunks

    func releaseInput(_ edge: UInt32, isUp: Bool) {
        let chunk = edges[edge][isUp: isUp].input.chunk
        guard chunk != 0 else { return }
        edges[edge][isUp: isUp].input.chunk = 0
        Chaos.point(.inputForgotten)
        chunks.release(chunk)
    }

    func releaseOutput(_ edge: UInt32, isUp: Bool) {
        let chunk = edges[edge][isUp: isUp].output.chunk
        guard chunk != 0 else { return }
        edges[edge][isUp: isUp].output.chunk = 0
        Chaos.point(.outputForgotten)
        chunks.release(chunk)
    }

    /// Gives the input's chunk back when all of it was transformed.
    func releaseSpentInput(_ edge: UInt32, isUp: Bool) {
        if edges[edge][isUp: isUp].pending == 0 { releaseInput(edge, isUp: isUp) }
    }

    /// Whether a direction waits for its destination, so that it has to go on when that takes bytes again.
    @inline(__always)
    func isHeld(_ index: UInt32, isUp: Bool) -> Bool {
        if slots[index][isUp: isUp].chunk != 0 || slots[index][isUp: isUp].pipe != 0 { return true }
        let edge = slots[index].edge
        return edge != 0 && edges[edge][isUp: isUp].output.chunk != 0
    }

    // MARK: Receiving

    /// Receives into a direction's input, behind what is pending there; `nil` when there is no chunk.
    ///
    /// - Returns: `isShort`: less came than there was room for, so that the source is empty unless it ends.
    func receive(_ index: UInt32, isUp: Bool, stranger: Bool) -> (what: Transfer, isShort: Bool)? {
        let edge = slots[index].edge
        if edges[edge][isUp: isUp].input.chunk == 0 {
            guard let chunk = stranger ? chunks.allocateForStranger() : chunks.allocate() else { return nil }
            edges[edge][isUp: isUp].attachInput(chunk, at: edges[edge][isUp: isUp].received)
        }
        let chunk = edges[edge][isUp: isUp].input.chunk
        let range = edges[edge][isUp: isUp].pendingRange
        if range.upperBound == chunks.size {
            // Only before the relay begins, when a record is not whole yet: it moves to the chunk's beginning.
            guard range.lowerBound > 0 else { return (.wouldBlock, true) }
            // Once the relay has begun, less than half a chunk waits: the copy spares what it is made of, so that a death
            // before the new base finds the bytes where the old one says.
            precondition(slots[index].phase != .relaying || range.count <= range.lowerBound)
            scratch.copy(chunk, range, of: chunks, to: 0)
            scratch.copy(0..<range.count, into: chunk, of: chunks, at: 0)
            atomicMemoryFence(ordering: .acquiringAndReleasing)
            edges[edge][isUp: isUp].input.base += UInt64(range.lowerBound)
        }
        let place = edges[edge][isUp: isUp].pendingRange.upperBound
        let result = chunks.receive(isUp ? slots[index].client : slots[index].server, into: chunk, at: place)
        var isShort = true
        if case .moved(let count) = result {
            Chaos.point(.edgeReceived)
            edges[edge][isUp: isUp].received += UInt64(count)
            Chaos.point(.edgeReceivedStored)
            isShort = place + count < chunks.size
        }
        if edges[edge][isUp: isUp].pending == 0 { releaseInput(edge, isUp: isUp) }
        return (result, isShort)
    }
}
