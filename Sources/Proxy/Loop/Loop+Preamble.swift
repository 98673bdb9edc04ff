// From the first byte to a whole CONNECT, or a refusal in the client's own words.

import Linux
import MQTT
import WebSocket
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
            let received = Int(slots[index].up.received)
            guard received < chunks.size else {
                // The sniffer's limit is at most a chunk, so it has refused before this.
                refuse(index, Refusal(.packetTooLarge))
                return
            }
            switch chunks.receive(slots[index].client, into: chunk, at: received) {
            case .moved(let count):
                slots[index].up.received += UInt64(count)
                slots[index].lastActivity = now
                slots[index].isClientUnread = ending || count == chunks.size - received
                if received == 0, !slots[index].awaitsProxy { heardFirst(index) }
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
            // Gone on to TLS, to a WebSocket, to a server, or ended.
            guard slots[index].phase == .preamble, slots[index].edge == 0 else { return true }
            if slots[index].up.received == 0 { return false }
            heardFirst(index)
        }
        return sniff(index, chunk)
    }

    /// Whether the preamble is over, one way or the other.
    func sniff(_ index: UInt32, _ chunk: UInt32) -> Bool {
        let sniffer = snapshot.listeners[Int(slots[index].listener)].sniffer
        let length = Int(slots[index].up.received)
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
        Chaos.point(.connectWhole)
        slots[index].level = connect.version.rawValue
        slots[index].keepAlive = connect.keepAlive
        slots[index].cleanStart = connect.isCleanStart
        slots[index].maximumPacketSize = connect.maximumPacketSize ?? .max
        slots[index].connectLength = UInt32(connect.length)
        slots[index].connectAfter = slots[index].after(now)
        let (own, username) = chunks.withBytes(of: chunk, length: connect.length) { bytes in
            (connect.clientID.bytes(in: bytes), connect.username?.bytes(in: bytes) ?? [])
        }
        let routes = snapshot.listeners[Int(slots[index].listener)].routes
        let policy = snapshot.listeners[Int(slots[index].listener)].identity
        var id = own
        if routes != nil || snapshot.recording != nil || !policy.isEmpty {
            let known = gather(index, username)
            if !policy.isEmpty {
                guard let rewritten = rewrite(index, connect, chunk, policy, own, known) else { return }
                id = rewritten
            }
            remember(index, known)
            if let routes { slots[index].backendNumber = route(index, id, known, by: routes) }
        }
        guard keys.store(id.span, in: &slots[index]) else {
            counters.add(.limitClientIDs)
            refuse(index, code: .serverBusy, .limit)
            return
        }
        Chaos.point(.keyStored)
        judgeClient(index)
    }

    // MARK: Refusing

    /// Refuses what is no acceptable CONNECT.
    func refuse(_ index: UInt32, _ refusal: Refusal) {
        counters.add(refusal.violation)
        finish(
            index, with: refusal.connack, .refused,
            code: refusal.violation == .packetTooLarge ? .messageTooBig : .protocolError)
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
    ///
    /// - Parameter code: what the close frame says to a client behind a WebSocket.
    func finish(_ index: UInt32, with packet: [UInt8]?, _ cause: EndCause, code: CloseCode = .tryAgainLater) {
        if slots[index].edge != 0 {
            finishEdge(index, with: packet, cause, code)
            return
        }
        guard let packet else {
            end(index, cause)
            return
        }
        leaveServer(index)
        // A socket nothing was written to yet takes these few bytes whole.
        guard case .moved = Socket.send(slots[index].client, packet.span) else {
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
