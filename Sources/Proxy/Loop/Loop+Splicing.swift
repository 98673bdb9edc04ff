// Bulk: from socket to socket through a pipe, without a copy (docs/decisions/0012-hot-path.md).

import Linux
import Wire

extension Loop {
    /// Moves bytes of a direction in bulk into its pipe, which is empty, and takes one first if it has none.
    ///
    /// - Parameter most: at most so many bytes.
    /// - Returns: What was moved, or why the source failed; `nil`: it has to be copied, if there is anything.
    func fillPipe(_ index: UInt32, isUp: Bool, from source: Int32, most: Int) -> Transfer? {
        var most = min(most, PipePool.width)
        if !isUp, let missing = missing(index) {
            // The boundary between packets stays known: what goes by unseen is inside one. Where none is known, none is lost.
            guard missing >= Bulk.leastPacket else {
                leavePipe(index, isUp: isUp)
                return nil
            }
            most = min(most, missing)
        }
        if slots[index][isUp: isUp].pipe == 0 {
            guard let pipe = pipes.allocate() else {
                counters.add(.limitPipes)
                slots[index][isUp: isUp].streak = 0
                return nil
            }
            Chaos.point(.pipeTaken)
            slots[index][isUp: isUp].pipe = pipe
            Chaos.point(.pipeStored)
            counters.add(.splices)
        }
        let result = pipes.receive(source, into: slots[index][isUp: isUp].pipe, most)
        switch result {
        case .moved(let count):
            Chaos.point(.splicedIn)
            slots[index][isUp: isUp].received += UInt64(count)
            Chaos.point(.splicedInStored)
            heard(index, isUp: isUp)
            slots[index][isUp: isUp].streak = Bulk.streak(after: slots[index][isUp: isUp].streak, moved: count, chunk: chunks.size)
        case .wouldBlock, .ended:
            // Only receiving tells whether there is nothing, or nothing any more: splicing stops at an urgent byte, and where the kernel
            // has no page to spare, and says the same then (tcp_splice_read).
            leavePipe(index, isUp: isUp)
            return nil
        case .failed(let code):
            leavePipe(index, isUp: isUp)
            guard SplicePipe.isIncapacity(code) else { return result }
            pipes.refuse()
            slots[index][isUp: isUp].streak = 0
            return nil
        }
        return result
    }

    /// Sends what is in the direction's pipe.
    func flushPipe(_ index: UInt32, isUp: Bool, to destination: Int32) -> Flushed {
        let pipe = slots[index][isUp: isUp].pipe
        while true {
            let flow = slots[index][isUp: isUp]
            guard !flow.isEmpty else {
                // No bulk any more: it goes on with a chunk.
                if flow.streak < Bulk.streak { leavePipe(index, isUp: isUp) }
                return .done
            }
            switch pipes.send(destination, from: pipe, Int(flow.received - flow.sent)) {
            case .moved(let count):
                Chaos.point(.splicedOut)
                slots[index][isUp: isUp].sent += UInt64(count)
                Chaos.point(.splicedOutStored)
            case .wouldBlock:
                return .blocked
            case .ended, .failed: return .failed
            }
        }
    }

    /// Gives a direction's pipe back, if it has one; what is in it goes with it.
    func leavePipe(_ index: UInt32, isUp: Bool) {
        let flow = slots[index][isUp: isUp]
        guard flow.pipe != 0 else { return }
        slots[index][isUp: isUp].pipe = 0
        Chaos.point(.pipeForgotten)
        if flow.isEmpty, !Chaos.wastesPipes { pipes.release(flow.pipe) } else { pipes.destroy(flow.pipe) }
    }
}
