// The server's side of an edge before the relay: our handshake with it, our request for a WebSocket, the CONNECT.

import Balancing
import Linux
import MQTT
import TLS
import WebSocket
import Wire

extension Loop {
    /// Remembers how the server that is tried next is spoken to.
    func prepareTransport(_ index: UInt32, _ transport: ServerTransport) {
        if !transport.isPlain { openEdge(index) }
        if slots[index].edge != 0 { privates(index).transport = transport }
    }

    /// The connection to a server that speaks TLS or WebSocket is there. `false` when the session went elsewhere or ended.
    func beginServerEdge(_ index: UInt32) -> Bool {
        let transport = privates(index).transport
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        slots[index].phase = .opening
        guard let context = transport.tls else { return offerUpgrade(index) }
        do throws(TLSError) {
            privates(index).serverTLS = try TLSSession(context, to: backend.address(Int(slots[index].serverIndex)).address)
        } catch {
            counters.add(.serverHandshakesFailed)
            counters.add(error.kind, client: false)
            retry(index)
            return false
        }
        edges[slots[index].edge].layers.insert(.serverTLS)
        return flushServer(index)
    }

    /// Sends what is ready for the server. `false` when the session went elsewhere or ended.
    private func flushServer(_ index: UInt32) -> Bool {
        switch flushEdge(index, isUp: true) {
        case .done, .blocked: return true
        case .starved:
            refuse(index, code: .serverBusy, .limit)
            return false
        case .failed:
            tryNext(index, .closed, .serverClosedEarly)
            return false
        }
    }

    /// Asks the server for a WebSocket, or goes on with the CONNECT when it speaks MQTT itself.
    private func offerUpgrade(_ index: UInt32) -> Bool {
        let mine = privates(index)
        guard let target = mine.transport.webSocket else { return awaitConnack(index) }
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        let address = backend.address(Int(slots[index].serverIndex))
        // Unguessable, and of this connection alone (RFC 6455, 4.1).
        let random = (0..<HandshakeKey.count).map { _ in UInt8.random(in: 0 ... .max) }
        var offer = UpgradeOffer(
            host: target.host ?? mine.host ?? "\(address)", target: target.target, key: HandshakeKey.text(random),
            client: slots[index].peer)
        offer.forwardedFor = mine.forwardedFor
        offer.sender = mine.forwarder
        do throws(UpgradeOffer.Unprintable) {
            guard say(index, toClient: false, try offer.encode()) else {
                refuse(index, code: .serverBusy, .limit)
                return false
            }
        } catch {
            // The reader let only printable text in, and the configuration was checked.
            preconditionFailure("our own request cannot be written: \(error.field)")
        }
        mine.response = UpgradeResponseReader(to: offer)
        return flushServer(index)
    }

    /// The server speaks MQTT from here on.
    private func awaitConnack(_ index: UInt32) -> Bool {
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        slots[index].phase = .awaiting
        slots[index].connectedAfter = slots[index].after(now)
        setDeadline(index, now + backend.limits.connackTimeout)
        return sendConnect(index)
    }

    /// Sends what is left of the CONNECT through the edge, as ``sendConnect(_:)`` does without one.
    func sendConnectThroughEdge(_ index: UInt32) -> Bool {
        let end = Int(slots[index].connectLength)
        let edge = slots[index].edge
        while true {
            switch flushEdge(index, isUp: true) {
            case .done: break
            case .blocked: return true
            case .starved:
                refuse(index, code: .serverBusy, .limit)
                return false
            case .failed:
                readServerEdge(index, ending: true)
                return false
            }
            let start = Int(slots[index].up.sent)
            guard start < end else { return slots[index].isOpaque ? headSent(index) : true }
            guard prepareOutput(edge, isUp: true) else {
                refuse(index, code: .serverBusy, .limit)
                return false
            }
            let count = min(end - start, chunks.size / 2)
            scratch.copy(slots[index].up.chunk, start..<start + count, of: chunks, to: EdgeScratch.payload)
            var range = EdgeScratch.payload..<EdgeScratch.payload + count
            var progress = edges[edge].up.progress
            if edges[edge].layers.contains(.serverWebSocket) {
                range = scratch.frame(range, mask: edges[frames: edge, isUp: false].mask(at: progress.produced))
            }
            do throws(TLSError) {
                try deliver(index, isUp: true, range, &progress)
            } catch {
                tryNext(index, .closed, .serverClosedEarly)
                return false
            }
            progress.passed += UInt64(count)
            commit(index, isUp: true, progress)
        }
    }

    /// Whether a TLS handshake with the server is under way.
    private func isSecuringServer(_ index: UInt32) -> Bool {
        guard slots[index].phase == .opening, let session = tls(index, client: false) else { return false }
        return session.state == .handshaking
    }

    /// Reads what the server says before the relay.
    func readServerEdge(_ index: UInt32, ending: Bool) {
        if isSecuringServer(index), !mayShakeHands(index) { return }
        // What did not fit into a turn.
        if edges[slots[index].edge].down.pending > 0, digestServer(index) { return }
        var share = Share.beginnings
        while true {
            switch receive(index, isUp: false, stranger: false) {
            case nil:
                counters.add(.limitChunks)
                refuse(index, code: .serverBusy, .limit)
                return
            case (.moved, let isShort)?:
                if digestServer(index) { return }
                if isShort, !ending { return }
                guard mayReadOn(index, isSecuring: isSecuringServer(index), &share) else { return }
            case (.wouldBlock, _)?: return
            case (.ended, _)?, (.failed, _)?:
                // With a part of the head unsent, what came has waited for this.
                if slots[index].phase == .awaiting, isHeadPending(index), slots[index].down.chunk != 0,
                    judge(index, slots[index].down.chunk, isOver: true)
                {
                    return
                }
                failServer(index, .closed)
                return
            }
        }
    }

    /// The server did not work; what it was doing is counted.
    private func failServer(_ index: UInt32, _ failure: HealthState.Failure) {
        if slots[index].phase == .opening {
            let isUpgrading = privates(index).response != nil
            counters.add(isUpgrading ? .serverUpgradesFailed : .serverHandshakesFailed)
        }
        tryNext(index, failure, failure == .malformed ? .connackMalformed : .serverClosedEarly)
    }

    /// Takes what has come through the stages before the relay; `true` when reading for them is over, in this turn at least.
    private func digestServer(_ index: UInt32) -> Bool {
        if isSecuringServer(index) {
            switch shakeHands(index, isUp: false) {
            case .failed:
                // Whoever listens there is told why.
                _ = flushEdge(index, isUp: true)
                failServer(index, .malformed)
                return true
            case .waiting: return !flushServer(index)
            case .unfinished:
                _ = flushServer(index)
                return true
            case .done:
                counters.add(.serverHandshakes)
                if case .refused = takeOver(index, client: false) {
                    failServer(index, .malformed)
                    return true
                }
                guard flushServer(index), offerUpgrade(index) else { return true }
            }
        }
        while slots[index].phase == .opening || slots[index].phase == .awaiting {
            guard isReady(index, isUp: false) else { return false }
            guard takeServer(index) else { return true }
            if slots[index].phase == .opening {
                guard readResponse(index) else { return true }
            }
            if slots[index].phase == .awaiting, readAnswer(index) { return true }
        }
        return true
    }

    /// Appends what the server sent to the plain bytes before the relay. `false` when the session went elsewhere or ended.
    private func takeServer(_ index: UInt32) -> Bool {
        let edge = slots[index].edge
        guard let room = preparePlain(index, isUp: false) else {
            counters.add(.limitChunks)
            refuse(index, code: .serverBusy, .limit)
            return false
        }
        // A record is opened as a whole.
        let needed = edges[edge].layers.hasRecords(client: false) ? recordLength(index, isUp: false) ?? 0 : 1
        guard room > 0, room >= needed else {
            failServer(index, .malformed)
            return false
        }
        var progress = edges[edge].down.progress
        var range: Range<Int>
        do throws(TLSError) {
            range = try open(index, isUp: false, limit: room, &progress)
        } catch {
            counters.add(error.kind, client: false)
            failServer(index, .malformed)
            return false
        }
        if edges[edge].layers.contains(.serverWebSocket) { range = scratch.unframe(range, &progress, &edges[frames: edge, isUp: false]) }
        appendPlain(index, isUp: false, range, &progress)
        return true
    }

    /// Looks whether the server's answer to our request is whole. `false` when the session went elsewhere or ended.
    private func readResponse(_ index: UInt32) -> Bool {
        let mine = privates(index)
        let length = Int(slots[index].down.received)
        guard var reader = mine.response, length > 0 else { return true }
        var isRefused = false
        var accepted: Int?
        chunks.withBytes(of: slots[index].down.chunk, length: length) { bytes in
            do throws(UpgradeResponseReader.Failure) {
                if case .accepted(let end) = try reader.read(bytes) { accepted = end }
            } catch {
                isRefused = true
            }
        }
        mine.response = reader
        if isRefused {
            failServer(index, .malformed)
            return false
        }
        guard let accepted else { return true }
        counters.add(.serverUpgrades)
        mine.response = nil
        beginFrames(index, client: false)
        unframePlain(index, isUp: false, behind: accepted)
        return awaitConnack(index)
    }

    /// Looks whether the server's CONNACK is whole; `true` when reading for it is over.
    private func readAnswer(_ index: UInt32) -> Bool {
        if case .violated(let violation) = edges[slots[index].edge].down.ending { counters.add(violation) }
        if slots[index].down.received > 0, judge(index, slots[index].down.chunk) { return true }
        guard edges[slots[index].edge].down.ending.isOpen else {
            failServer(index, .closed)
            return true
        }
        if owesControl(index, isUp: true) || owesRecords(index, isUp: true) {
            guard answer(index, isUp: true), flushServer(index) else { return true }
        }
        return false
    }
}
