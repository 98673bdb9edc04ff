// The end of a session that speaks TLS or WebSocket: in its own words, and heard before the socket closes.

import Linux
import Synchronization
import TLS
import WebSocket
import Wire

extension Loop {
    /// TLS with a side failed while bytes flowed.
    func failTLS(_ index: UInt32, client: Bool) {
        if client {
            cutServer(index)
            linger(index, .clientTLS)
        } else {
            // Its alert goes out before its socket closes.
            _ = flushEdge(index, isUp: true)
            linger(index, .serverTLS, .internalError, isCut: true)
        }
    }

    /// Leaves the server, says goodbye to the client, and waits until it has read that: closing at once with unread bytes
    /// in the queue would be a reset that destroys it on its way.
    ///
    /// - Parameter isCut: The client's stream misses bytes: its end is not to look like one in order.
    func linger(_ index: UInt32, _ cause: EndCause, _ code: CloseCode = .normal, isCut: Bool = false) {
        if slots[index].phase == .relaying {
            record(slots[index], index, cause)
            slots[index].isRecorded = true
        }
        let isFull = !isFlushed(index)
        let down = slots[index].down
        let up = slots[index].up
        // A successor finds that its end had begun, before anything of it is gone. What follows is no application's.
        slots[index].reason = UInt8(cause.rawValue)
        slots[index].phase = .lingering
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        leaveServer(index)
        releaseChunks(index)
        // What was moved stays counted until the end.
        slots[index].up.sent = up.sent
        slots[index].up.received = up.received
        slots[index].down.sent = down.sent
        slots[index].down.received = down.received
        setDeadline(index, now + Self.lingerTime)
        // A client that takes nothing is not told anything.
        if isCut, !isFull || !edges[slots[index].edge].layers.hasWebSocket(client: true) {
            _ = sayCut(index, code)
            if isAborted(index, isUp: false) { Socket.resetOnClose(slots[index].client) }
        } else if !isFull {
            _ = sayGoodbye(index, toClient: true, code)
        }
        flushGoodbye(index)
    }

    private func isFlushed(_ index: UInt32) -> Bool {
        if case .done = flushEdge(index, isUp: false) { return true }
        return false
    }

    /// Sends what is left for a client that lingers, then ends our stream.
    func flushGoodbye(_ index: UInt32) {
        guard slots[index].edge != 0, !slots[index].down.isShut else {
            drop(index)
            return
        }
        switch flushEdge(index, isUp: false) {
        case .done:
            slots[index].down.isShut = true
            if !isAborted(index, isUp: false) { Socket.shutdownWrite(slots[index].client) }
            drop(index)
        case .blocked: drop(index)
        case .starved, .failed: end(index, EndCause(rawValue: Int(slots[index].reason)) ?? .refused)
        }
    }

    /// Refuses a client: a last packet inside its WebSocket and its TLS, if any, and the end of both.
    func finishEdge(_ index: UInt32, with packet: [UInt8]?, _ cause: EndCause, _ code: CloseCode) {
        if let packet, isFlushed(index) {
            let isFramed = edges[slots[index].edge].layers.contains(.clientWebSocket)
            _ = say(index, toClient: true, isFramed ? Frame.encode(.binary, packet) : packet)
        }
        linger(index, cause, code)
    }

    /// Both directions are over: the client's socket closes when it has read everything.
    func finishEdge(_ index: UInt32, _ cause: EndCause) {
        let edge = slots[index].edge
        var cause = cause
        for isUp in [true, false] {
            if case .violated = edges[edge][isUp: isUp].ending { cause = .frameViolation }
        }
        if edges[edge].up.isEnded { end(index, cause) } else { linger(index, cause) }
    }

    /// A session that ends by our will is told so, as far as its socket takes it now.
    func announceEnd(_ index: UInt32, _ cause: EndCause) {
        guard slots[index].phase == .relaying, isFlushed(index) else { return }
        let isSaid =
            switch cause {
            case .clientClosed, .serverClosed, .idle, .halfClosed: sayGoodbye(index, toClient: true, .normal)
            // Nobody knows what is missing.
            case .serverReset, .failure: sayCut(index, .internalError)
            case .clientReset: false
            default: sayGoodbye(index, toClient: true, .goingAway)
            }
        guard isSaid else { return }
        _ = flushEdge(index, isUp: false)
    }
}
