// Packets for the client that are looked at while bytes flow: a server's DISCONNECT, and its CONNACK behind AUTH.
//
// The boundary of packets stops before such a packet (`PacketBoundary.Stops`). What stands behind stays in the direction's chunk,
// received and not sent, until it was looked at: a successor finds it there and stops at the same place. A session that is not
// transformed keeps what it received, any other one what was taken off the server's wire.

import Balancing
import Configuration
import Linux
import MQTT
import Synchronization
import Wire

extension Loop {
    /// What became of a packet that is looked at.
    enum Looked {
        /// It goes to the client as it is.
        case passed
        /// It is not whole.
        case more
        /// The session has ended.
        case over
    }

    /// The longest packet that is looked at, in bytes; of a longer DISCONNECT only the reason is passed on.
    var longestLook: Int { chunks.size / 4 }

    /// Bytes for the client that wait behind a place where the boundary has stopped.
    @inline(__always)
    func unlooked(_ index: UInt32) -> UInt64 { unlooked(index, of: slots[index].down.received) }

    /// The same, of so many that were received.
    @inline(__always)
    func unlooked(_ index: UInt32, of received: UInt64) -> UInt64 {
        slots[index].stops.isEmpty ? 0 : UInt64(slots[index].boundary.unfollowed(to: received))
    }

    // MARK: Bytes that are not transformed

    /// Looks at the packet before which the direction to the client has stopped, and receives more of it when it is not whole.
    func look(_ index: UInt32, ending: Bool, isDrained: inout Bool, share: inout Int) -> Looked {
        while true {
            let looked = judgePacket(index)
            guard case .more = looked else { return looked }
            if slots[index].down.isEnded {
                // Half a packet is nobody's.
                depart(index, .serverClosed, nil)
                return .over
            }
            if isDrained { return .more }
            guard share > 0 else {
                queue(index)
                return .more
            }
            share -= 1
            let room = roomBehind(index, atLeast: 1)
            let flow = slots[index].down
            switch chunks.receive(slots[index].server, into: flow.chunk, at: Int(flow.received - flow.base)) {
            case .moved(let count):
                Chaos.point(.received)
                slots[index].down.received += UInt64(count)
                Chaos.point(.receivedStored)
                isDrained = count < room && !ending
                heard(index, isUp: false)
            case .wouldBlock: return .more
            case .ended: slots[index].down.isEnded = true
            case .failed:
                end(index, .serverReset)
                return .over
            }
        }
    }

    /// Room behind the bytes that are kept for a look, in bytes; they move to the chunk's front when there is less than needed.
    func roomBehind(_ index: UInt32, atLeast needed: Int) -> Int {
        let flow = slots[index].down
        let (start, end) = (Int(flow.sent - flow.base), Int(flow.received - flow.base))
        guard chunks.size - end < needed || Chaos.movesEarly && start > 0 && end - start <= start else { return chunks.size - end }
        // The copy spares what it is made of: a death before the new base finds the bytes where the old one says.
        precondition(end - start <= start, "more is kept than is looked at")
        chunks.removeFirst(start, of: flow.chunk, held: end)
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        slots[index].down.base = flow.sent
        Chaos.point(.keptMoved)
        return chunks.size - (end - start)
    }

    // MARK: The packet

    private enum Finding {
        case more
        case disconnect(Disconnect.Finding)
        case connack(Connack, assigned: [UInt8])
        /// Nothing that a server may say now.
        case unexpected
    }

    /// Looks at the packet that the next bytes for the client begin.
    func judgePacket(_ index: UInt32) -> Looked {
        if slots[index].isLeaving {
            depart(index)
            return .over
        }
        switch findPacket(index) {
        case .more, .disconnect(.needMore): return .more
        case .disconnect(.disconnect(let reason, let namesServer, let length)):
            sentAway(index, reason)
            guard namesServer else {
                leadOver(index, length)
                return .passed
            }
            // Nobody learns the servers behind this door (MQTT 5.0, 3.14.2.2.5).
            counters.add(.serverReferencesHidden)
            replaceDisconnect(index, reason)
            return .over
        case .disconnect(.unreadable(let reason)):
            sentAway(index, reason)
            counters.add(.disconnectsUnreadable)
            replaceDisconnect(index, reason)
            return .over
        case .connack(let connack, let assigned): return connackCame(index, connack, assigned: assigned)
        case .unexpected:
            counters.add(.connackMalformed)
            report(index, .sessionFailed(.malformed))
            refuseBehindAuth(index, .serverUnavailable, .serverClosed)
            return .over
        }
    }

    private func findPacket(_ index: UInt32) -> Finding {
        let flow = slots[index].down
        let start = Int(flow.sent - flow.base)
        let longest = longestLook
        return chunks.withBytes(of: flow.chunk, length: Int(flow.received - flow.base)) { bytes -> Finding in
            let rest = bytes.extracting(start..<bytes.count)
            if rest[0] >> 4 == PacketType.disconnect.rawValue {
                return .disconnect(Disconnect.find(rest, maximumLength: longest))
            }
            do throws(Violation) {
                switch try Connack.read(rest, version: .v5, maximumLength: longest) {
                case .needMore: return .more
                case .authentication: return .unexpected
                case .connack(let connack, _):
                    return .connack(connack, assigned: connack.assignedClientIdentifier?.bytes(in: rest) ?? [])
                }
            } catch {
                return .unexpected
            }
        }
    }

    /// The packet goes to the client, and what stands behind it is followed.
    private func leadOver(_ index: UInt32, _ length: Int) {
        let flow = slots[index].down
        let start = Int(flow.sent - flow.base)
        chunks.withBytes(of: flow.chunk, length: Int(flow.received - flow.base)) { bytes in
            slots[index].boundary.follow(bytes.extracting(start..<start + length), at: flow.sent)
        }
        Chaos.point(.ledOver)
        followDown(index, flow.chunk, Int(flow.received - flow.base))
    }

    // MARK: DISCONNECT

    /// The server has ended the session: its state, and where the client belongs, follow from the reason as they do from that of a
    /// CONNACK.
    private func sentAway(_ index: UInt32, _ reason: ReasonCode) {
        guard reason.sendsAway else { return }
        counters.add(.serversSentAway)
        report(index, .sessionSentAway(code: reason.rawValue))
        guard reason.namesAnother, slots[index].isPinned else { return }
        let server = snapshot.backends[Int(slots[index].backendNumber)].serverID(Int(slots[index].serverIndex))
        snapshot.tables[Int(slots[index].table)].forget(keys.load(slots[index]), at: server, Instant(nanoseconds: now))
    }

    /// Ends the session with the server's reason and nothing else of what it said.
    private func replaceDisconnect(_ index: UInt32, _ reason: ReasonCode) {
        Chaos.point(.lookedAt)
        let packet = try? Disconnect(reason).encode(version: .v5)
        depart(index, .serverClosed, packet.flatMap { $0.count <= Int(slots[index].maximumPacketSize) ? $0 : nil })
    }

    // MARK: CONNACK behind AUTH

    /// The server's CONNACK ends the authentication (MQTT 5.0, 4.12): it decides as one that answers a CONNECT at once, but the client
    /// is told what another server would not be asked any more.
    private func connackCame(_ index: UInt32, _ connack: Connack, assigned: [UInt8]) -> Looked {
        slots[index].connackCode = connack.code
        slots[index].isSessionPresent = connack.sessionPresent
        let listener = snapshot.listeners[Int(slots[index].listener)]
        switch connack.disposition {
        case .accepted:
            if let ordered = connack.serverKeepAlive { slots[index].keepAlive = ordered }
            if slots[index].keyLength == 0, !assigned.isEmpty { _ = keys.store(assigned.span, in: &slots[index]) }
            let backend = snapshot.backends[Int(slots[index].backendNumber)]
            welcome(index, backend, listener, backend.serverID(Int(slots[index].serverIndex)))
        case .refused: counters.add(.connackRefused)
        case .tryAnother:
            counters.add(.connackAnotherServer)
            report(index, .sessionBusy(code: connack.code))
        }
        Chaos.point(.lookedAt)
        if connack.serverReference != nil, connack.disposition != .accepted {
            // Nobody learns the servers behind this door (MQTT 5.0, 3.2.2.3.16).
            counters.add(.serverReferencesHidden)
            refuseBehindAuth(index, connack.reason, .serverClosed)
            return .over
        }
        hideReference(connack, in: slots[index].down.chunk, at: Int(slots[index].down.sent - slots[index].down.base))
        slots[index].awaitsConnack = false
        if slots[index].firstToEnd == 0 { slots[index].deadline = .max }
        noteConnack(index)
        slots[index].idle = idleTime(slots[index].keepAlive, listener.settings.idleTimeout)
        watchSilence(index)
        leadOver(index, connack.length)
        return .passed
    }

    /// Nobody learns the servers behind this door (MQTT 5.0, 3.2.2.3.16): a Server Reference becomes a user property without a name that
    /// is as long, so that every byte of the stream keeps its place. Whoever finds it so has nothing left to hide.
    func hideReference(_ connack: Connack, in chunk: UInt32, at start: Int) {
        guard let reference = connack.serverReference, reference.count > 0 else { return }
        counters.add(.serverReferencesHidden)
        let (place, count) = (start + reference.offset, reference.count)
        chunks.withMutableBytes(of: chunk, place - 3..<place + count) { bytes in
            for index in 3..<bytes.count { bytes[index] = UInt8(ascii: "-") }
            // A single character is no server; a pair of strings has two lengths.
            guard count >= 2 else { return }
            bytes[1] = 0
            bytes[2] = 0
            bytes[3] = UInt8(truncatingIfNeeded: (count - 2) >> 8)
            bytes[4] = UInt8(truncatingIfNeeded: count - 2)
            bytes[0] = Property.userProperty.rawValue
        }
    }

    /// The server spoke: so long it and the client may take for the next step.
    func awaitConnackLonger(_ index: UInt32) {
        guard slots[index].firstToEnd == 0 else { return }
        slots[index].deadline = now + snapshot.backends[Int(slots[index].backendNumber)].limits.connackTimeout
    }

    /// No CONNACK in time behind AUTH. Whose silence it was nobody knows, so it is none of the server's failures.
    func endUnauthenticated(_ index: UInt32) {
        counters.add(.connackTimeout)
        refuseBehindAuth(index, .serverUnavailable, .authenticationDeadline)
    }

    /// Ends a session without a CONNACK with one, if the client is between two packets.
    private func refuseBehindAuth(_ index: UInt32, _ reason: ReasonCode, _ cause: EndCause) {
        let limit = slots[index].maximumPacketSize
        let packet = Connack.refusal(reason, version: .v5, maximumPacketSize: limit)
        // Nothing is in flight but what is kept back.
        let down = slots[index].down
        let isBetween = down.received - unlooked(index) == down.sent && missing(index) == 0
        depart(index, cause, isBetween && packet.count <= Int(limit) ? packet : nil)
    }
}
