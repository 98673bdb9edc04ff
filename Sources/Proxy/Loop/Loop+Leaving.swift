// Sessions that end by our will: at a packet boundary, and told so where MQTT has a word for it.

import Linux
import MQTT
import Synchronization
import WebSocket
import Wire

extension Loop {
    /// Follows the packets of what was just received for the client.
    @inline(__always)
    func followDown(_ index: UInt32, _ chunk: UInt32, _ count: Int) {
        guard !slots[index].isOpaque else { return }
        let base = slots[index].down.base
        let stops = slots[index].stops
        chunks.withBytes(of: chunk, length: count) { slots[index].boundary.follow($0, at: base, stopping: stops) }
    }

    /// Bytes the client is certainly missing of the packet it is being given; 0: none is begun. `nil`: nobody knows.
    func missing(_ index: UInt32) -> Int? {
        guard !slots[index].isOpaque else { return nil }
        let edge = slots[index].edge
        let offset = edge == 0 ? slots[index].down.received - unlooked(index) : edges[edge].down.progress.passed
        return slots[index].boundary.missing(at: offset)
    }

    /// Ends a session as soon as its client has whole packets only. What is not established ends at once.
    func leave(_ index: UInt32, _ cause: EndCause) {
        guard slots[index].phase == .relaying else {
            // A refusal that is being read, or a goodbye, has its own time.
            if slots[index].phase != .lingering { end(index, cause) }
            return
        }
        guard !slots[index].isLeaving else { return }
        slots[index].leaving = UInt8(cause.rawValue) + 1
        _ = pump(index, isUp: false, ending: true)
    }

    /// Between two packets: the client is told, when its version has a word for it, and closes.
    func depart(_ index: UInt32) {
        let packet = farewell(index)
        counters.add(packet == nil ? .leftSilent : .leftTold)
        depart(index, EndCause(rawValue: Int(slots[index].leaving) - 1) ?? .shutdown, packet)
    }

    /// Leaves the server and ends the session with a last packet for the client, if any. What was received for it and not sent is
    /// forgotten.
    func depart(_ index: UInt32, _ cause: EndCause, _ packet: [UInt8]?) {
        record(slots[index], index, cause)
        slots[index].isRecorded = true
        // Whoever dies on the way from here has a session that was being ended: the client is told once or not at all.
        slots[index].reason = UInt8(cause.rawValue)
        slots[index].phase = .lingering
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        if slots[index].edge != 0 {
            finishEdge(index, with: packet, cause, .goingAway)
            return
        }
        let down = slots[index].down
        leaveServer(index)
        releaseChunks(index)
        // What was moved stays counted until the end.
        slots[index].down.received = down.received
        slots[index].down.sent = down.sent
        // A client that takes nothing now is told nothing.
        if let packet { _ = Socket.send(slots[index].client, packet.span) }
        Socket.shutdownWrite(slots[index].client)
        setDeadline(index, now + Self.lingerTime)
        drop(index)
    }

    /// DISCONNECT with *server shutting down* (MQTT 5.0, 3.14.2.1); `nil` where it cannot be said.
    private func farewell(_ index: UInt32) -> [UInt8]? {
        guard slots[index].level == ProtocolVersion.v5.rawValue, missing(index) == 0,
            let packet = try? Disconnect(.serverShuttingDown).encode(version: .v5),
            packet.count <= Int(slots[index].maximumPacketSize)
        else { return nil }
        return packet
    }

    /// Ends a session wherever it stands: there is no time left.
    func cut(_ index: UInt32) {
        if slots[index].phase == .relaying, missing(index) ?? 0 > 0 { counters.add(.leftCut) }
        end(index, .shutdown)
    }
}
