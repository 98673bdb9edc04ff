// The judgement that a server did not answer in time.

import Balancing
import Linux

extension Loop {
    /// The time of a server is over by the clock: it is left for another one, unless its answer is here already and was not listened
    /// to, or nobody was here to listen.
    func judgeServer(_ index: UInt32) {
        guard !hearsServer(index) else { return }
        if let later = ServerDeadline.extended(slots[index].deadline, at: now) {
            counters.add(.serverDeadlinesLate)
            setDeadline(index, later)
            return
        }
        switch slots[index].phase {
        case .connecting: tryNext(index, .connectTimeout, .connectTimeout)
        case .opening: tryNext(index, .silent, .connectTimeout)
        case .awaiting: tryNext(index, .silent, .connackTimeout)
        case .free, .securing, .upgrading, .preamble, .held, .relaying, .lingering, .orphaned: break
        }
    }

    /// Asks the server's socket, and serves what it tells: its event may stand behind more than one turn takes. When the event comes it
    /// tells nothing new.
    ///
    /// - Returns: whether the deadline is none any more.
    private func hearsServer(_ index: UInt32) -> Bool {
        let (phase, generation) = (slots[index].phase, slots[index].generation)
        let told = EdgePoller.Event(asking: slots[index].server, tag: tag(index, isServer: true))
        // A connection that is there can always be written to: that is its news while it is awaited, and none later.
        guard phase == .connecting ? told.isWritable : told.isReadable else { return false }
        // As any session that has an event it is on the wheel.
        wheel.arm(index, slots, deadline: slots[index].deadline)
        serve(index, told, isServer: true)
        guard slots[index].generation == generation else { return true }
        switch slots[index].phase {
        case .opening where phase == .connecting:
            // The connection's deadline is the handshake's too, and that begins now.
            setDeadline(index, now + ServerDeadline.grace)
            return true
        // A part of an answer is none.
        case .connecting, .opening, .awaiting: return slots[index].deadline > now
        case .free, .securing, .upgrading, .preamble, .held, .relaying, .lingering, .orphaned: return true
        }
    }
}
