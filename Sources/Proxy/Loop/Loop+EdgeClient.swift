// The client's side of an edge before the relay: its handshake, its request for a WebSocket, its CONNECT.

import Configuration
import Linux
import MQTT
import TLS
import WebSocket
import Wire

extension Loop {
    /// A connection was accepted on a listener that speaks TLS or WebSocket.
    func beginClientEdge(_ index: UInt32, _ listener: ListenerRuntime) {
        if let refusal = AdmissionRefusal(rawValue: slots[index].doom), listener.tls != nil {
            // A handshake costs us a millisecond: whoever comes too often is not worth it.
            end(index, refusal.cause)
            return
        }
        openEdge(index)
        guard let context = listener.tls else {
            awaitRequest(index)
            return
        }
        do throws(TLSError) {
            privates(index).clientTLS = try TLSSession(context)
        } catch {
            // OpenSSL has no memory for it.
            counters.add(.handshakesFailed)
            counters.add(error.kind, client: true)
            listener.totals.add(.handshakesFailed)
            end(index, .failure)
            return
        }
        edges[slots[index].edge].layers.insert(.clientTLS)
        slots[index].phase = .securing
        setDeadline(index, now + (listener.settings.tls?.handshakeTimeout ?? .seconds(15)).nanoseconds)
    }

    /// What comes next is a request for a WebSocket, or a CONNECT.
    private func awaitRequest(_ index: UInt32) {
        let listener = snapshot.listeners[Int(slots[index].listener)]
        if listener.settings.protocol.isOpaque {
            beginOpaque(index)
            return
        }
        if listener.webSocket == nil {
            slots[index].phase = .preamble
        } else {
            slots[index].phase = .upgrading
            privates(index).request = UpgradeRequestReader()
        }
        if listener.tls == nil {
            setDeadline(index, firstDeadline(index, listener))
        } else {
            setDeadline(index, now + listener.settings.connectDeadline.nanoseconds)
        }
    }

    /// Reads what the client has sent so far.
    func readClientEdge(_ index: UInt32, ending: Bool) {
        if slots[index].phase == .securing, !mayShakeHands(index) { return }
        // What came behind a PROXY header was read before there was an edge, and what did not fit into a turn was left.
        if edges[slots[index].edge].up.pending > 0, digestClient(index) { return }
        var share = Share.beginnings
        while true {
            switch receive(index, isUp: true, stranger: true) {
            case nil:
                counters.add(.limitChunks)
                end(index, .limit)
                return
            case (.moved(let count), let isShort)?:
                slots[index].lastActivity = now
                if edges[slots[index].edge].up.received == count, slots[index].phase == .upgrading { heardFirst(index) }
                if digestClient(index) { return }
                if isShort, !ending { return }
                guard mayReadOn(index, isSecuring: slots[index].phase == .securing, &share) else { return }
            case (.wouldBlock, _)?: return
            case (.ended, _)?:
                end(index, .clientClosed)
                return
            case (.failed, _)?:
                end(index, .clientReset)
                return
            }
        }
    }

    /// Whether a session without a CONNACK reads on in this turn; if not, it is continued in the next ones.
    func mayReadOn(_ index: UInt32, isSecuring: Bool, _ share: inout Int) -> Bool {
        share -= 1
        if isSecuring, !mayShakeHands(index) { return false }
        guard share == 0 else { return true }
        if isSecuring { postponeHandshake(index) } else { queue(index) }
        return false
    }

    /// Takes what has come through the stages before the relay; `true` when reading for them is over, in this turn at least.
    private func digestClient(_ index: UInt32) -> Bool {
        if slots[index].phase == .securing {
            let outcome = shakeHands(index, isUp: true)
            let totals = snapshot.listeners[Int(slots[index].listener)].totals
            if case .failed = outcome {
                counters.add(.handshakesFailed)
                totals.add(.handshakesFailed)
                linger(index, .clientTLS)
                return true
            }
            // A socket that took so little cannot be full; what it does not take now goes out with what follows.
            if case .starved = flushEdge(index, isUp: false) {
                // No event would ever send its flight.
                counters.add(.limitChunks)
                end(index, .limit)
                return true
            }
            switch outcome {
            case .done: break
            case .unfinished: return true
            case .waiting, .failed: return false
            }
            counters.add(.handshakes)
            totals.add(.handshakes)
            learnHandshake(index)
            if case .refused = takeOver(index, client: true) {
                linger(index, .clientTLS)
                return true
            }
            awaitRequest(index)
        }
        while slots[index].phase == .upgrading || slots[index].phase == .preamble {
            guard isReady(index, isUp: true) else { return false }
            guard takeClient(index) else { return true }
            if slots[index].phase == .upgrading, readRequest(index) { return true }
            if slots[index].phase == .preamble, sniffEdge(index) { return true }
        }
        return true
    }

    /// Appends what the client sent to the plain bytes before the relay; `false` when the session is over.
    private func takeClient(_ index: UInt32) -> Bool {
        let edge = slots[index].edge
        guard let room = preparePlain(index, isUp: true) else {
            counters.add(.limitChunks)
            end(index, .limit)
            return false
        }
        // A record is opened as a whole.
        let needed = edges[edge].layers.hasRecords(client: true) ? recordLength(index, isUp: true) ?? 0 : 1
        guard room > 0, room >= needed else {
            // Longer than any CONNECT that is taken, or any request.
            refuse(index, Refusal(.packetTooLarge))
            return false
        }
        var progress = edges[edge].up.progress
        var range: Range<Int>
        do throws(TLSError) {
            range = try open(index, isUp: true, limit: room, &progress)
        } catch {
            counters.add(error.kind, client: true)
            linger(index, .clientTLS)
            return false
        }
        if edges[edge].layers.contains(.clientWebSocket) { range = scratch.unframe(range, &progress, &edges[frames: edge, isUp: true]) }
        appendPlain(index, isUp: true, range, &progress)
        if slots[index].up.isEnded, range.isEmpty {
            // close_notify before CONNECT.
            end(index, .clientClosed)
            return false
        }
        return true
    }

    // MARK: Upgrade

    /// Looks whether the request is whole, and answers it; `true` when the session is over.
    private func readRequest(_ index: UInt32) -> Bool {
        let mine = privates(index)
        guard var reader = mine.request else { return false }
        let length = Int(slots[index].up.received)
        guard length > 0 else { return false }
        var refusal: UpgradeRefusal?
        var request: UpgradeRequest?
        chunks.withBytes(of: slots[index].up.chunk, length: length) { bytes in
            do throws(UpgradeRefusal) {
                if case .request(let whole) = try reader.read(bytes) { request = whole }
            } catch {
                refusal = error
            }
        }
        mine.request = reader
        let listener = snapshot.listeners[Int(slots[index].listener)]
        if let request, let reason = listener.webSocket?.refusal(of: request) { refusal = UpgradeRefusal(reason) }
        if let refusal {
            counters.add(refusal.reason)
            _ = say(index, toClient: true, refusal.response)
            linger(index, .upgradeRefused)
            return true
        }
        guard let request else { return false }
        accept(index, request, listener)
        return slots[index].phase != .preamble
    }

    /// The client is answered 101; what stands behind its request is frames.
    private func accept(_ index: UInt32, _ request: UpgradeRequest, _ listener: ListenerRuntime) {
        let mine = privates(index)
        mine.request = nil
        mine.host = request.host
        let isForwarded = isForwarded(index, listener)
        if let rules = listener.webSocket, let chain = request.forwardedFor, rules.trusts(slots[index].peer.address) {
            mine.forwardedFor = chain
            if let client = rules.client(in: chain) {
                mine.forwarder = slots[index].peer.address
                // It may have been counted as a client, before a reload that made it one we trust.
                if slots[index].sourcePrefix != 0 {
                    listener.admission.left(slots[index].peer.address, prefix: slots[index].sourcePrefix)
                    slots[index].sourcePrefix = 0
                }
                slots[index].setPeer(SocketAddress(client, port: 0))
            }
        }
        if isForwarded, slots[index].doom == 0, !judgeSource(index, listener) {
            linger(index, .limit)
            return
        }
        guard say(index, toClient: true, request.acceptance) else {
            counters.add(.limitChunks)
            end(index, .limit)
            return
        }
        counters.add(.upgrades)
        beginFrames(index, client: true)
        slots[index].phase = .preamble
        unframePlain(index, isUp: true, behind: request.length)
        if case .failed = flushEdge(index, isUp: false) { end(index, .clientReset) }
    }

    // MARK: CONNECT

    /// Looks at what the client has said so far; `true` when reading for it is over.
    private func sniffEdge(_ index: UInt32) -> Bool {
        let edge = slots[index].edge
        switch edges[edge].up.ending {
        case .open: break
        case .closed:
            _ = answerControl(index, isUp: false)
            linger(index, .clientClosed)
            return true
        case .violated(let violation):
            counters.add(violation)
            linger(index, .frameViolation, violation.closeCode)
            return true
        }
        if owes(index, isUp: false) {
            guard answer(index, isUp: false) else {
                end(index, .limit)
                return true
            }
            if case .failed = flushEdge(index, isUp: false) {
                end(index, .clientReset)
                return true
            }
        }
        guard slots[index].up.received > 0 else { return false }
        return sniff(index, slots[index].up.chunk)
    }

    // MARK: Plain bytes before the relay

    /// A chunk for the MQTT bytes that are read before the relay; the room left in it, `nil` when there is none.
    func preparePlain(_ index: UInt32, isUp: Bool) -> Int? {
        if slots[index][isUp: isUp].chunk == 0 {
            guard let chunk = isUp ? chunks.allocateForStranger() : chunks.allocate() else { return nil }
            slots[index][isUp: isUp].chunk = chunk
        }
        return chunks.size - Int(slots[index][isUp: isUp].received - slots[index][isUp: isUp].base)
    }

    /// Puts a range of the scratch behind the plain bytes, and commits. They begin at the stream's beginning before the relay.
    func appendPlain(_ index: UInt32, isUp: Bool, _ range: Range<Int>, _ progress: inout EdgeProgress) {
        if !range.isEmpty {
            let flow = slots[index][isUp: isUp]
            scratch.copy(range, into: flow.chunk, of: chunks, at: Int(flow.received - flow.base))
        }
        progress.received += UInt64(range.count)
        commit(index, isUp: isUp, progress)
        releaseSpentInput(slots[index].edge, isUp: isUp)
    }

    /// A head of HTTP has ended: what stands behind it in the plain bytes is frames, and what is in them takes its place.
    func unframePlain(_ index: UInt32, isUp: Bool, behind length: Int) {
        let start = EdgeScratch.payload
        let count = Int(slots[index][isUp: isUp].received) - length
        let chunk = slots[index][isUp: isUp].chunk
        var progress = edges[slots[index].edge][isUp: isUp].progress
        progress.received = 0
        slots[index][isUp: isUp].received = 0
        guard count > 0 else {
            commit(index, isUp: isUp, progress)
            return
        }
        scratch.copy(chunk, length..<length + count, of: chunks, to: start)
        let range = scratch.unframe(
            start..<start + count, &progress, &edges[frames: slots[index].edge, isUp: isUp])
        appendPlain(index, isUp: isUp, range, &progress)
    }
}
