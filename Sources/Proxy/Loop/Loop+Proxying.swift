// PROXY headers and rewritten CONNECTs: what stands before a client's own bytes, on both sides.

import Balancing
import Configuration
import Linux
import MQTT
import ProxyProtocol
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
        case .header(let header, let facts):
            counters.add(header.isLocal ? .proxyLocal : .proxyAccepted)
            slots[index].awaitsProxy = false
            if !header.isDatagram, let client = header.client { slots[index].setPeer(client) }
            prefaces[index, default: Preface()].facts = facts
            // The header is read and not relayed: the stream goes on behind it.
            slots[index].up.dropped = UInt32(header.length)
            slots[index].up.sent = UInt64(header.length)
            slots[index].up.base = UInt64(header.length)
            chunks.removeFirst(header.length, of: chunk, held: held)
            return .taken
        }
    }

    private static let proxyReader = ProxyHeaderReader()

    /// A client whose bytes are not read begins: a server is chosen at once.
    func beginOpaque(_ index: UInt32) {
        if slots[index].up.isEmpty, slots[index].up.chunk != 0 {
            chunks.release(slots[index].up.chunk)
            slots[index].up.chunk = 0
        }
        slots[index].isOpaque = true
        start(index, connect: nil)
    }

    // MARK: To the server's side

    /// Puts together what servers get before the client's own bytes, and chooses one.
    ///
    /// - Parameter connect: the rewritten CONNECT; `nil`: the client's own, or none.
    func start(_ index: UInt32, connect: [UInt8]?) {
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        var head: [UInt8] = []
        if let sending = backend.limits.proxySending {
            var facts = prefaces[index]?.facts ?? SessionFacts()
            if facts.destination == nil { facts.destination = Socket.localAddress(slots[index].client) }
            do {
                let header = try ProxyGreeting.header(
                    sending, client: slots[index].peer, facts, uniqueID: uniqueID(index))
                if header.dropped > 0 { counters.add(.proxyFieldsDropped, UInt64(header.dropped)) }
                head = header.bytes
            } catch {
                counters.add(.proxyUnwritable)
                refuse(index, code: .notAuthorized, .identityRefused)
                return
            }
        }
        guard !head.isEmpty || connect != nil else {
            chooseServer(index)
            return
        }
        let length = Int(slots[index].connectLength)
        if let connect {
            head += connect
        } else if length > 0 {
            chunks.withBytes(of: slots[index].up.chunk, length: length) { bytes in
                for place in 0..<length { head.append(bytes[place]) }
            }
        }
        // The CONNECT goes with the head, in one write: the client's own is not relayed.
        slots[index].up.sent += UInt64(length)
        slots[index].up.dropped += UInt32(length)
        slots[index].up.added = UInt32(head.count)
        prefaces[index, default: Preface()].head = head
        chooseServer(index)
    }

    /// Names a session in PROXY headers and logs: differs over loops, slots and time.
    private func uniqueID(_ index: UInt32) -> String {
        let slot = slots[index]
        return [UInt64(bitPattern: slot.since), UInt64(number), UInt64(index), UInt64(slot.generation)]
            .map { String($0, radix: 16) }.joined(separator: "-")
    }

    /// The client ID that servers see, and the CONNECT with it; `nil` when the client was refused.
    func rewrite(_ index: UInt32, _ connect: Connect, _ chunk: UInt32, _ policy: IdentityPolicy)
        -> ([UInt8], [UInt8]?)?
    {
        var facts = prefaces[index]?.facts ?? SessionFacts()
        let original = chunks.withBytes(of: chunk, length: connect.length) { bytes in
            facts.username = connect.username?.bytes(in: bytes) ?? []
            return connect.clientID.bytes(in: bytes)
        }
        do {
            let rewrite = try policy.rewrite(clientID: original, address: slots[index].peer.address, facts)
            let packet = try chunks.withBytes(of: chunk, length: connect.length) { bytes in
                try rewrite.rewritten(connect, in: bytes)
            }
            let clientID = rewrite.clientID ?? original
            prefaces[index, default: Preface()].facts = facts
            prefaces[index]?.original = clientID == original ? nil : original
            return (clientID, packet)
        } catch is IdentityPolicy.Refusal {
            counters.add(.identityMissing)
        } catch {
            counters.add(.identityUnusable)
        }
        refuse(index, code: .notAuthorized, .identityRefused)
        return nil
    }

    /// Sends what is left of the head. `false` when the session went elsewhere, went on, or ended.
    func sendHead(_ index: UInt32) -> Bool {
        guard let preface = prefaces[index] else { return true }
        let head = preface.head
        var sent = preface.sent
        while sent < head.count {
            switch ChunkPool.send(slots[index].server, head.span.extracting(sent...)) {
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

    /// Whether a part of the head has not been sent: an answer is not to what the server has not read.
    func isHeadPending(_ index: UInt32) -> Bool {
        guard slots[index].up.added > 0, let preface = prefaces[index] else { return false }
        return preface.sent < preface.head.count
    }

    /// Forgets what is needed until a session is established, and keeps what `clients` shows.
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
