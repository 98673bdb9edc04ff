// From the first byte to a whole CONNECT, or a refusal in the client's own words.

import Linux
import MQTT
import Wire

extension Loop {
    /// Reads what the client sent so far and looks whether it is a CONNECT.
    func readPreamble(_ index: UInt32, ending: Bool) {
        if slots[index].up.chunk == 0 {
            guard let chunk = chunks.allocateForStranger() else {
                counters.add(.limitChunks)
                end(index, .limit)
                return
            }
            slots[index].up.chunk = chunk
        }
        let chunk = slots[index].up.chunk
        while true {
            let received = Int(slots[index].up.received - slots[index].up.base)
            guard received < chunks.size else {
                // The sniffer's limit is at most a chunk, so it has refused before this.
                refuse(index, Refusal(.packetTooLarge))
                return
            }
            switch chunks.receive(slots[index].client, into: chunk, at: received) {
            case .moved(let count):
                slots[index].up.received += UInt64(count)
                slots[index].lastActivity = now
                if examine(index, chunk) { return }
                if count < chunks.size - received, !ending { return }
            case .wouldBlock: return
            case .ended:
                end(index, .clientClosed)
                return
            case .failed:
                end(index, .clientReset)
                return
            }
        }
    }

    /// Takes a PROXY header where one is due, then looks at the client's own bytes. Whether the preamble is over, one
    /// way or the other.
    private func examine(_ index: UInt32, _ chunk: UInt32) -> Bool {
        if slots[index].awaitsProxy {
            switch takeProxyHeader(index, chunk) {
            case .more: return false
            case .refused: return true
            case .taken: break
            }
            beginClient(index, snapshot.listeners[Int(slots[index].listener)])
            guard slots[index].phase == .preamble else { return true }
            if slots[index].up.isEmpty { return false }
        }
        return sniff(index, chunk)
    }

    /// Whether the preamble is over, one way or the other.
    private func sniff(_ index: UInt32, _ chunk: UInt32) -> Bool {
        let sniffer = snapshot.listeners[Int(slots[index].listener)].sniffer
        let length = Int(slots[index].up.received - slots[index].up.base)
        enum Finding { case more, connect(Connect), foreign(Refusal) }
        let finding = chunks.withBytes(of: chunk, length: length) { bytes -> Finding in
            do throws(Refusal) {
                switch try sniffer.sniff(bytes) {
                case .needMore: return .more
                case .connect(let connect, _): return .connect(connect)
                }
            } catch {
                return .foreign(error)
            }
        }
        switch finding {
        case .more: return false
        case .foreign(let refusal): refuse(index, refusal)
        case .connect(let connect): begin(index, connect, chunk)
        }
        return true
    }

    /// The CONNECT is whole: the session gets its identity and a server.
    private func begin(_ index: UInt32, _ connect: Connect, _ chunk: UInt32) {
        slots[index].level = connect.version.rawValue
        slots[index].keepAlive = connect.keepAlive
        slots[index].cleanStart = connect.isCleanStart
        slots[index].maximumPacketSize = connect.maximumPacketSize ?? .max
        slots[index].connectLength = UInt32(connect.length)
        let policy = snapshot.listeners[Int(slots[index].listener)].identity
        let identity = policy.isEmpty ? (clientID(connect, chunk), nil) : rewrite(index, connect, chunk, policy)
        guard let (id, packet) = identity else { return }
        guard keys.store(id.span, in: &slots[index]) else {
            counters.add(.limitClientIDs)
            refuse(index, code: .serverBusy, .limit)
            return
        }
        start(index, connect: packet)
    }

    /// The client ID as it was sent.
    private func clientID(_ connect: Connect, _ chunk: UInt32) -> [UInt8] {
        chunks.withBytes(of: chunk, length: connect.length) { connect.clientID.bytes(in: $0) }
    }

    // MARK: Refusing

    /// Refuses what is no acceptable CONNECT.
    private func refuse(_ index: UInt32, _ refusal: Refusal) {
        counters.add(refusal.violation)
        finish(index, with: refusal.connack, .refused)
    }

    /// Refuses a client whose CONNECT was understood.
    func refuse(_ index: UInt32, code: ReasonCode, _ cause: EndCause) {
        guard let version = ProtocolVersion(rawValue: slots[index].level) else {
            refuseOpaque(index, cause)
            return
        }
        let limit = slots[index].maximumPacketSize
        let packet = Connack.refusal(code, version: version, maximumPacketSize: limit)
        // MQTT 5.0, 3.1.2.11.4: longer than the client takes is not sent at all.
        finish(index, with: packet.count <= Int(limit) ? packet : nil, cause)
    }

    /// Sends a last packet, if any, and waits until the client has read it: closing at once with unread bytes in the
    /// queue would be a reset that destroys it on its way.
    func finish(_ index: UInt32, with packet: [UInt8]?, _ cause: EndCause) {
        guard let packet else {
            end(index, cause)
            return
        }
        leaveServer(index)
        // A socket nothing was written to yet takes these few bytes whole.
        guard case .moved = ChunkPool.send(slots[index].client, packet.span) else {
            end(index, cause)
            return
        }
        Socket.shutdownWrite(slots[index].client)
        releaseChunks(index)
        slots[index].phase = .lingering
        slots[index].reason = UInt8(cause.rawValue)
        setDeadline(index, now + Self.lingerTime)
        drop(index)
    }

    /// Reads and forgets what a refused client still sends.
    func drop(_ index: UInt32) {
        let cause = EndCause(rawValue: Int(slots[index].reason)) ?? .refused
        guard let chunk = chunks.allocate() else {
            end(index, cause)
            return
        }
        defer { chunks.release(chunk) }
        for _ in 0..<Share.chunks {
            switch chunks.receive(slots[index].client, into: chunk, at: 0) {
            case .moved: continue
            case .wouldBlock: return
            case .ended, .failed:
                end(index, cause)
                return
            }
        }
        // It has much to say: more of it is forgotten in the next turn, until the deadline.
        queue(index)
    }
}
