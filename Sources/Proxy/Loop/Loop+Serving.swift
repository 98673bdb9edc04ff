// What an event leads to, by where its session stands.

import Linux
import Synchronization
import Wire

extension Loop {
    @inline(__always)
    func dispatch(_ event: EdgePoller.Event) {
        let tag = Tag(event.tag)
        guard tag.isSession else {
            // Told again as long as nobody was there: who has a session comes first.
            isDoorTold = true
            return
        }
        let index = tag.index
        guard slots[index].generation == tag.generation else { return }
        slots.inHand = index
        if passed(index, event, isServer: tag.isServer) { return }
        if event.isEnding, mayWait(index, isServer: tag.isServer) {
            endingEvent(index, event)
        } else {
            serve(index, event, isServer: tag.isServer)
        }
    }

    @inline(__always)
    func serve(_ index: UInt32, _ event: EdgePoller.Event, isServer: Bool) {
        if isServer { serverEvent(index, event) } else { clientEvent(index, event) }
    }

    private func clientEvent(_ index: UInt32, _ event: EdgePoller.Event) {
        switch slots[index].phase {
        case .relaying:
            if event.isReadable, !pump(index, isUp: true, ending: event.isEnding, isOver: event.isEnding) { return }
            if event.isWritable, isHeld(index, isUp: false), !pump(index, isUp: false, ending: true) { return }
            if event.isDead { endIfReset(index, slots[index].client, .clientReset) }
        case .securing, .upgrading: clientEdgeEvent(index, event)
        case .preamble:
            if slots[index].edge != 0 {
                clientEdgeEvent(index, event)
            } else if event.isReadable {
                readPreamble(index, ending: event.isEnding)
            }
        case .held, .connecting, .opening, .awaiting:
            if event.isReadable { slots[index].isClientUnread = true }
            if event.isDead {
                end(index, .abandoned)
            } else if event.isWritable, slots[index].edge != 0 {
                _ = flushEdge(index, isUp: false)
            }
        case .lingering:
            if event.isWritable, slots[index].edge != 0 { flushGoodbye(index) } else if event.isReadable { drop(index) }
        case .free, .orphaned: break
        }
    }

    private func serverEvent(_ index: UInt32, _ event: EdgePoller.Event) {
        switch slots[index].phase {
        case .relaying:
            if event.isReadable, !pump(index, isUp: false, ending: event.isEnding, isOver: event.isEnding) { return }
            if event.isWritable, isHeld(index, isUp: true), !pump(index, isUp: true, ending: true) { return }
            if event.isDead { endIfReset(index, slots[index].server, .serverReset) }
        case .connecting:
            if event.isReadable { slots[index].isServerUnread = true }
            // What the server sent or ended by now belongs to this same edge.
            if event.isWritable, connected(index, isDead: event.isDead), event.isReadable { readConnack(index, ending: event.isEnding) }
        case .opening:
            if event.isWritable, case .failed = flushEdge(index, isUp: true) {}
            if event.isReadable { readServerEdge(index, ending: event.isEnding) }
        case .awaiting:
            if event.isReadable { slots[index].isServerUnread = true }
            if event.isWritable, !sendConnect(index) { return }
            if event.isReadable { readConnack(index, ending: event.isEnding) }
        case .free, .securing, .upgrading, .preamble, .held, .lingering, .orphaned: break
        }
    }

    /// A client that has not said its CONNECT yet, behind TLS or a WebSocket.
    private func clientEdgeEvent(_ index: UInt32, _ event: EdgePoller.Event) {
        if event.isWritable, case .failed = flushEdge(index, isUp: false) {
            end(index, .clientReset)
            return
        }
        if event.isReadable { readClientEdge(index, ending: event.isEnding) }
    }

    /// A socket failed while nobody reads it, because its stream had ended or the other side takes nothing: no read
    /// would ever tell.
    func endIfReset(_ index: UInt32, _ socket: Int32, _ cause: EndCause) {
        // With a share of the turn still owed, what arrived before the reset comes first.
        guard !slots[index].isQueued, Socket.error(socket) != 0 else { return }
        end(index, cause)
    }

    func continueQueued() {
        let batch = Array(queued.prefix(Share.continued))
        var count = 0
        defer { queued.removeFirst(count) }
        let limit = Clock.now.nanoseconds + Share.continuedTime
        for index in batch {
            if count > 0, Clock.now.nanoseconds > limit { return }
            count += 1
            guard slots[index].isQueued else { continue }
            // In hand or queued: whoever dies between, it is continued.
            slots.inHand = index
            atomicMemoryFence(ordering: .acquiringAndReleasing)
            slots[index].isQueued = false
            Chaos.point(.continued)
            switch slots[index].phase {
            case .relaying:
                if pump(index, isUp: true, ending: true) { _ = pump(index, isUp: false, ending: true) }
            case .lingering: drop(index)
            // The mark was that of a handshake that waits, on a slot which had another session when it was queued here.
            case .securing: readClientEdge(index, ending: true)
            case .opening: readServerEdge(index, ending: true)
            case .upgrading, .preamble: if slots[index].edge != 0 { readClientEdge(index, ending: true) }
            case .awaiting: if slots[index].edge != 0 { readServerEdge(index, ending: true) }
            case .free, .held, .connecting, .orphaned: break
            }
        }
    }
}
