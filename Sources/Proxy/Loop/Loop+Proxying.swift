// PROXY headers and rewritten CONNECTs: what stands before a client's own bytes, on both sides.

import Balancing
import Configuration
import Linux
import MQTT
import ProxyProtocol
import TLS
import WebSocket
import Wire

extension Loop {
    /// Most bytes of original client IDs that are kept for `clients`, over the sessions of a loop.
    static let originalsLimit = 64 << 20
    /// What an HTTP client reads when no server is there.
    private static let unavailable = Array(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)

    // MARK: From the client's side

    /// Whether a new connection is somebody whose PROXY header is waited for (`true`), a client of its own (`false`), or
    /// nobody we speak to (`nil`).
    func awaitsProxy(_ listener: ListenerRuntime, from peer: SocketAddress?) -> Bool? {
        guard let acceptance = listener.settings.proxyAcceptance else { return false }
        if let peer, acceptance.trusts(peer.address) { return true }
        return acceptance.isOptional ? false : nil
    }

    /// How a look for a PROXY header came out.
    enum ProxyLook { case more, refused, taken }

    /// Looks for the PROXY header at the beginning of a chunk, and takes it out.
    func takeProxyHeader(_ index: UInt32, _ chunk: UInt32) -> ProxyLook {
        let held = Int(slots[index].up.received)
        enum Finding { case more, header(ProxyHeader, SessionFacts), violation(ProxyViolation) }
        let finding = chunks.withBytes(of: chunk, length: held) { bytes -> Finding in
            do throws(ProxyViolation) {
                guard case .header(let header) = try Self.proxyReader.read(bytes) else { return .more }
                var facts = SessionFacts()
                facts.learn(header, in: bytes)
                return .header(header, facts)
            } catch {
                return .violation(error)
            }
        }
        switch finding {
        case .more: return .more
        case .violation(let violation):
            counters.add(violation)
            end(index, .proxyRefused)
            return .refused
        case .header(let header, let known):
            counters.add(header.isLocal ? .proxyLocal : .proxyAccepted)
            slots[index].awaitsProxy = false
            if !header.isDatagram, let client = header.client { slots[index].setPeer(client) }
            facts[index] = known
            slots[index].up.skipped = UInt32(header.length)
            slots[index].up.received -= UInt64(header.length)
            chunks.removeFirst(header.length, of: chunk, held: held)
            let listener = snapshot.listeners[Int(slots[index].listener)]
            if slots[index].doom == 0, !isForwarded(index, listener), !judgeSource(index, listener) {
                // Counted when it was found.
                let refusal = AdmissionRefusal(rawValue: slots[index].doom & ~AdmissionBounds.untold)
                end(index, refusal?.cause ?? .limit)
                return .refused
            }
            return .taken
        }
    }

    private static let proxyReader = ProxyHeaderReader()

    /// The client's own bytes begin here: behind a PROXY header where there is one.
    func beginClient(_ index: UInt32, _ listener: ListenerRuntime) {
        if listener.tls != nil || listener.webSocket != nil {
            let count = slots[index].up.received
            let chunk = slots[index].up.chunk
            slots[index].up.received = 0
            slots[index].up.chunk = 0
            beginEdge(index, listener, chunk, count)
        } else if listener.settings.protocol.isOpaque {
            beginOpaque(index)
        } else {
            setDeadline(index, firstDeadline(index, listener))
        }
    }

    /// Hands a chunk with what stood behind a PROXY header to the session's edge; 0: nothing was read yet.
    private func beginEdge(_ index: UInt32, _ listener: ListenerRuntime, _ chunk: UInt32, _ count: UInt64) {
        let generation = slots[index].generation
        beginClientEdge(index, listener)
        guard chunk != 0 else { return }
        guard slots[index].generation == generation, slots[index].phase != .free, count > 0 else {
            chunks.release(chunk)
            return
        }
        let edge = slots[index].edge
        edges[edge].up.attachInput(chunk, at: 0)
        edges[edge].up.received = count
        if slots[index].phase == .upgrading { heardFirst(index) }
        readClientEdge(index, ending: true)
    }

    /// The handshake with the client is done: what it says of the client is kept.
    func learnHandshake(_ index: UInt32) {
        guard let handshake = privates(index).clientTLS?.facts else { return }
        facts[index, default: SessionFacts()].tls = handshake
        if let name = handshake.serverName { facts[index]?.serverName = name }
    }

    /// A client whose bytes are not read begins: a server is chosen at once.
    func beginOpaque(_ index: UInt32) {
        if let refusal = AdmissionRefusal(rawValue: slots[index].doom) {
            end(index, refusal.cause)
            return
        }
        if slots[index].up.isEmpty, slots[index].up.chunk != 0 {
            chunks.release(slots[index].up.chunk)
            slots[index].up.chunk = 0
        }
        slots[index].isOpaque = true
        if let routes = snapshot.listeners[Int(slots[index].listener)].routes {
            slots[index].backendNumber = route(index, [], facts[index] ?? SessionFacts(), by: routes)
        }
        chooseServer(index)
    }

    // MARK: To the server's side

    /// Puts together what servers get before the client's own bytes; `false` when the client was refused.
    func prepareHead(_ index: UInt32, _ sending: Configuration.ProxySending?) -> Bool {
        guard sending != nil || prefaces[index]?.connect != nil else { return true }
        var preface = prefaces[index] ?? Preface()
        if let sending {
            var known = facts[index] ?? SessionFacts()
            if known.destination == nil { known.destination = Socket.localAddress(slots[index].client) }
            do {
                let header = try ProxyGreeting.header(
                    sending, client: slots[index].peer, known, uniqueID: uniqueID(index))
                if header.dropped > 0 { counters.add(.proxyFieldsDropped, UInt64(header.dropped)) }
                preface.greeting = header.bytes
            } catch {
                counters.add(.proxyUnwritable)
                refuse(index, code: .notAuthorized, .identityRefused)
                return false
            }
        }
        let length = Int(slots[index].connectLength)
        if preface.connect == nil, length > 0 {
            preface.connect = chunks.withBytes(of: slots[index].up.chunk, length: length) { bytes in
                (0..<length).map { bytes[$0] }
            }
        }
        slots[index].up.replaced = UInt32(length)
        slots[index].up.added = UInt32(preface.greeting.count + (preface.connect?.count ?? 0))
        prefaces[index] = preface
        return true
    }

    /// Begins a connection with what is in clear also to a server that speaks TLS. `false` when the session went
    /// elsewhere.
    func greet(_ index: UInt32) -> Bool {
        guard let greeting = prefaces[index]?.greeting, !greeting.isEmpty else { return true }
        // A new socket takes these few bytes whole.
        guard case .moved(greeting.count) = Socket.send(slots[index].server, greeting.span) else {
            tryNext(index, .closed, .serverClosedEarly)
            return false
        }
        edges[slots[index].edge].greeted = UInt32(greeting.count)
        return true
    }

    /// Names a session in PROXY headers and logs: differs over loops, slots and time.
    private func uniqueID(_ index: UInt32) -> String {
        let slot = slots[index]
        return [UInt64(bitPattern: slot.since), UInt64(number), UInt64(index), UInt64(slot.generation)]
            .map { String($0, radix: 16) }.joined(separator: "-")
    }

    /// Prepares the CONNECT with which servers see another identity; the client ID in it, `nil` when the client was
    /// refused.
    ///
    /// - Parameters:
    ///   - own: the client ID as it was sent.
    ///   - known: of the client, with the username it sent.
    func rewrite(
        _ index: UInt32, _ connect: Connect, _ chunk: UInt32, _ policy: IdentityPolicy, _ own: [UInt8],
        _ known: SessionFacts
    ) -> [UInt8]? {
        do {
            let rewrite = try policy.rewrite(clientID: own, address: slots[index].peer.address, known)
            var preface = Preface()
            preface.connect = try chunks.withBytes(of: chunk, length: connect.length) { bytes in
                try rewrite.rewritten(connect, in: bytes)
            }
            let clientID = rewrite.clientID ?? own
            preface.original = clientID == own ? nil : own
            prefaces[index] = preface
            return clientID
        } catch is IdentityPolicy.Refusal {
            counters.add(.identityMissing)
        } catch {
            counters.add(.identityUnusable)
        }
        refuse(index, code: .notAuthorized, .identityRefused)
        return nil
    }

    /// What goes before the client's own bytes to the present server: the PROXY header has gone before its TLS.
    private func head(_ index: UInt32, _ preface: Preface) -> [UInt8] {
        let isGreeted = slots[index].edge != 0 && !privates(index).transport.isPlain
        return (isGreeted ? [] : preface.greeting) + (preface.connect ?? [])
    }

    /// Sends what is left of the head. `false` when the session went elsewhere, went on, or ended.
    func sendHead(_ index: UInt32) -> Bool {
        guard let preface = prefaces[index] else { return true }
        let head = preface.sent == 0 ? self.head(index, preface) : preface.head
        if preface.sent == 0 { prefaces[index]?.head = head }
        if slots[index].edge != 0 { return sendHeadThroughEdge(index, head, preface.sent) }
        var sent = preface.sent
        while sent < head.count {
            switch Socket.send(slots[index].server, head.span.extracting(sent...)) {
            case .moved(let count):
                sent += count
                prefaces[index]?.sent = sent
            case .wouldBlock, .ended: return true
            case .failed:
                if slots[index].isOpaque {
                    tryNext(index, .closed, .serverClosedEarly)
                } else {
                    // What it said before it closed is still to be read.
                    readConnack(index, ending: true)
                }
                return false
            }
        }
        return headSent(index)
    }

    /// As ``sendHead(_:)``, transformed on its way.
    private func sendHeadThroughEdge(_ index: UInt32, _ head: [UInt8], _ from: Int) -> Bool {
        let edge = slots[index].edge
        var sent = from
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
            guard sent < head.count else { return headSent(index) }
            guard prepareOutput(edge, isUp: true) else {
                refuse(index, code: .serverBusy, .limit)
                return false
            }
            let count = min(head.count - sent, chunks.size / 2)
            var range = scratch.put(Array(head[sent..<sent + count]))
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
            // The client's own CONNECT is passed over with the head that replaces it.
            progress.passed = UInt64(slots[index].up.replaced)
            commit(index, isUp: true, progress)
            sent += count
            prefaces[index]?.sent = sent
        }
    }

    /// Whether a part of the head has not been sent: an answer is not to what the server has not read.
    func isHeadPending(_ index: UInt32) -> Bool {
        guard slots[index].up.added > 0, let preface = prefaces[index] else { return false }
        return preface.sent == 0 || preface.sent < preface.head.count
    }

    /// Forgets what is needed until a session is established, and keeps what `clients` and the session log show.
    func forgetPreface(_ index: UInt32, isEstablished: Bool) {
        guard let preface = prefaces.removeValue(forKey: index), isEstablished, let original = preface.original else {
            return
        }
        guard originalBytes + original.count <= Self.originalsLimit else {
            counters.add(.limitOriginals)
            return
        }
        originalBytes += original.count
        originals[index] = original
    }

    /// The session is over: nobody asks for its original client ID any more.
    func forgetOriginal(_ index: UInt32) {
        if let original = originals.removeValue(forKey: index) { originalBytes -= original.count }
    }

    /// Tells a client whose bytes are not read that there is no server for it.
    func refuseOpaque(_ index: UInt32, _ cause: EndCause) {
        let isHTTP = snapshot.listeners[Int(slots[index].listener)].settings.protocol == .http
        finish(index, with: isHTTP ? Self.unavailable : nil, cause)
    }
}
