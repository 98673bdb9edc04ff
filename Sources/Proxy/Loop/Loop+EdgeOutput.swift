// The sending end of a direction that is transformed: committed bytes to the kernel, and TLS before that.

import Linux
import TLS
import WebSocket
import Wire

extension Loop {
    /// What became of an output.
    enum EdgeFlushed { case done, blocked, failed, starved }

    /// Sends everything that was committed, and what TLS has ready behind it.
    func flushEdge(_ index: UInt32, isUp: Bool) -> EdgeFlushed {
        let edge = slots[index].edge
        let socket = isUp ? slots[index].server : slots[index].client
        while true {
            let unsent = edges[edge][isUp: isUp].unsent
            guard unsent > 0 else {
                if let session = tls(index, client: !isUp), session.unsent > 0 {
                    // Small fragments make more of the bytes than a chunk holds: what is left begins at a chunk's front.
                    releaseOutput(edge, isUp: isUp)
                    guard drain(index, isUp: isUp, session) else { return .starved }
                    continue
                }
                releaseOutput(edge, isUp: isUp)
                return .done
            }
            let flow = edges[edge][isUp: isUp].output
            let start = Int(edges[edge][isUp: isUp].sent - flow.base)
            switch chunks.send(socket, from: flow.chunk, start, start + unsent) {
            case .moved(let count):
                Chaos.point(.edgeSent)
                edges[edge][isUp: isUp].sent += UInt64(count)
                Chaos.point(.edgeSentStored)
            case .wouldBlock, .ended:
                return .blocked
            case .failed: return .failed
            }
        }
    }

    /// A chunk for what comes next; `false` when there is none.
    func prepareOutput(_ edge: UInt32, isUp: Bool) -> Bool {
        guard edges[edge][isUp: isUp].output.chunk == 0 else { return true }
        guard let chunk = chunks.allocate() else {
            counters.add(.limitChunks)
            return false
        }
        edges[edge][isUp: isUp].attachOutput(chunk, at: edges[edge][isUp: isUp].sent)
        return true
    }

    /// Takes as much ciphertext as has room into the output and commits it; `false` when there is no chunk.
    func drain(_ index: UInt32, isUp: Bool, _ session: TLSSession) -> Bool {
        let edge = slots[index].edge
        guard prepareOutput(edge, isUp: isUp) else { return false }
        var progress = edges[edge][isUp: isUp].progress
        takeCiphertext(edge, isUp: isUp, session, &progress)
        commit(index, isUp: isUp, progress)
        return true
    }

    /// Moves ciphertext into the output's chunk as long as there is room.
    private func takeCiphertext(_ edge: UInt32, isUp: Bool, _ session: TLSSession, _ progress: inout EdgeProgress) {
        let output = edges[edge][isUp: isUp].output
        while true {
            let start = Int(progress.produced - output.base)
            guard start < chunks.size else { return }
            let count = chunks.withMutableBytes(of: output.chunk, start..<chunks.size) { span in
                session.takeCiphertext(into: &span, at: 0)
            }
            if count == 0 { return }
            progress.produced += UInt64(count)
        }
    }

    /// Passes a range of the scratch to the destination's wire: through TLS when it speaks that.
    ///
    /// The output's chunk is there. Without TLS the range must have room in it.
    func deliver(
        _ index: UInt32, isUp: Bool, _ range: Range<Int>, _ progress: inout EdgeProgress
    ) throws(TLSError) {
        let edge = slots[index].edge
        if edges[edge].layers.hasRecords(client: !isUp) { return try seal(index, isUp: isUp, range, &progress) }
        guard let session = tls(index, client: !isUp) else {
            let output = edges[edge][isUp: isUp].output
            scratch.copy(range, into: output.chunk, of: chunks, at: Int(progress.produced - output.base))
            progress.produced += UInt64(range.count)
            return
        }
        try scratch.encrypt(range, session)
        takeCiphertext(edge, isUp: isUp, session, &progress)
    }

    /// Room in the output's chunk, in bytes.
    func room(_ edge: UInt32, isUp: Bool) -> Int {
        let flow = edges[edge][isUp: isUp]
        return flow.output.chunk == 0 ? chunks.size : chunks.size - Int(flow.produced - flow.output.base)
    }

    /// Says something of ours to a side: bytes that stand above its TLS. `false` when there is no room for them, or TLS takes nothing
    /// any more (``EdgeProgress/isSealed``).
    ///
    /// - Parameter meaning: What the words mean for the direction, committed with them.
    func say(
        _ index: UInt32, toClient: Bool, _ bytes: [UInt8], meaning: (inout EdgeProgress) -> Void = { _ in }
    ) -> Bool {
        let edge = slots[index].edge
        let isUp = !toClient
        guard room(edge, isUp: isUp) >= sealedSize(edge, client: toClient, bytes.count), prepareOutput(edge, isUp: isUp) else { return false }
        var progress = edges[edge][isUp: isUp].progress
        do throws(TLSError) {
            try deliver(index, isUp: isUp, scratch.put(bytes), &progress)
        } catch {
            // Who takes this for a want of room would wait for ever.
            sealOff(index, isUp: isUp)
            return false
        }
        meaning(&progress)
        commit(index, isUp: isUp, progress)
        return true
    }

    /// The mask of a frame of ours; clients get none.
    func mask(_ edge: UInt32, isUp: Bool, at offset: UInt64) -> UInt32? { isUp ? edges[frames: edge, isUp: false].mask(at: offset) : nil }

    /// Answers what a destination is owed an answer to. `false` when there is no room for it.
    func answer(_ index: UInt32, isUp: Bool) -> Bool {
        if owesRecords(index, isUp: isUp), !answerRecords(index, isUp: isUp) { return false }
        return owesControl(index, isUp: isUp) ? answerControl(index, isUp: isUp) : true
    }

    /// Whether the destination of a direction has sent a ping or close that was not answered.
    @inline(__always)
    func owesControl(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        guard edges[edge].layers.hasWebSocket(client: !isUp) else { return false }
        return edges[edge][isUp: !isUp].controls != edges[edge][isUp: isUp].answered && !edges[edge][isUp: isUp].isClosed
    }

    /// Answers the last ping or close of the destination, when it is owed an answer.
    func answerControl(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        let heard = edges[edge][isUp: !isUp].progress
        guard let control = edges[frames: edge, isUp: !isUp].current(heard).control else { return true }
        let mask = mask(edge, isUp: isUp, at: edges[edge][isUp: isUp].produced)
        return say(index, toClient: !isUp, Frame.answer(to: control, mask: mask)) { progress in
            progress.answered = heard.controls
            if control.opcode == .close { progress.isClosed = true }
        }
    }

    /// Whether the destination of a direction waits for something that is no application data: an answer, or TLS's own.
    func owes(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        if owesControl(index, isUp: isUp) || owesRecords(index, isUp: isUp) { return true }
        if edges[edge].layers.hasWebSocket(client: !isUp) {
            if case .open = edges[edge][isUp: !isUp].ending {} else if !slots[index][isUp: isUp].isShut { return true }
        }
        guard let session = tls(index, client: !isUp) else { return false }
        return session.unsent > 0
    }

    /// Ends what is said to a side: a close frame, then close_notify. `false` when they could not be taken.
    func sayGoodbye(_ index: UInt32, toClient: Bool, _ code: CloseCode) -> Bool {
        let edge = slots[index].edge
        let isUp = !toClient
        if edges[edge].layers.hasWebSocket(client: toClient), !edges[edge][isUp: isUp].isClosed {
            let mask = mask(edge, isUp: isUp, at: edges[edge][isUp: isUp].produced)
            guard say(index, toClient: toClient, Frame.close(code, mask: mask), meaning: { $0.isClosed = true }) else {
                return false
            }
        }
        if edges[edge].layers.hasRecords(client: toClient) { return sayCloseNotify(index, toClient: toClient) }
        guard !edges[edge][isUp: isUp].isSealed else { return true }
        guard let session = tls(index, client: toClient) else { return true }
        session.close()
        return session.unsent == 0 || drain(index, isUp: isUp, session)
    }
}
