// From CONNECT to CONNACK: a server is found, tried, and left for the next one while the client notices nothing.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Synchronization
import Wire

extension Loop {
    /// Chooses a server and begins to connect; refuses the client when there is none left.
    func chooseServer(_ index: UInt32) {
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        let limits = backend.limits
        let id = keys.load(slots[index])
        let isFirst = slots[index].tries == 0
        if isFirst {
            slots[index].triedAfter = slots[index].after(now)
            guard prepareHead(index, limits.proxySending) else { return }
        }
        var stuck: Server.ID?
        if let table = backend.table, !id.isEmpty {
            stuck = table.server(for: id, at: Instant(nanoseconds: now))
            if isFirst { counters.add(stuck == nil ? .stickMisses : .stickHits) }
        }
        while Int(slots[index].tries) < limits.maximumTries, !slots[index].tried.isFull {
            guard
                let destination = backend.start(
                    key: id.span, client: slots[index].peer, stuck: stuck, tried: slots[index].tried,
                    at: Instant(nanoseconds: now))
            else { break }
            counters.add(.tries)
            if slots[index].tries > 0 { counters.add(.replays) }
            slots[index].tries += 1
            _ = slots[index].tried.insert(destination.server)
            slots[index].serverIndex = UInt16(destination.server)
            slots[index].isCounted = true
            slots[index].reason = UInt8(
                truncatingIfNeeded: Choice.Because.allCases.firstIndex(of: destination.because) ?? 0)
            prepareTransport(index, destination.transport)
            guard let refusal = connect(index, to: destination, backend, timeout: limits.connectTimeout) else { return }
            if refusal.isOwnShortage {
                // No descriptor, port or memory of ours is a failure of the server; another one may still be reached.
                counters.add(.connectRefusedByKernel)
                leaveServer(index)
            } else {
                serverFailed(index, .connect(errno: refusal.code), .connectFailed)
            }
        }
        refuse(index, code: .serverUnavailable, .noServer)
    }

    /// Begins a connection from the session's source, or from another one when that has no port left; the kernel's word
    /// when it says at once that it cannot be.
    private func connect(
        _ index: UInt32, to destination: BackendRuntime.Destination, _ backend: BackendRuntime, timeout: Int64
    ) -> Errno? {
        var source = destination.source
        var tried: UInt64 = 0
        while true {
            slots[index].sourceIndex = source.index
            let refusal = connect(index, to: destination.address, from: source.address, timeout: timeout)
            guard let refusal, refusal.code == EADDRNOTAVAIL else { return refusal }
            counters.add(.sourcePortsExhausted)
            if source.index < 64 { tried |= 1 << UInt64(source.index) }
            guard
                let next = backend.nextSource(
                    after: source.index, server: destination.server, client: slots[index].peer, tried: tried)
            else { return refusal }
            source = next
        }
    }

    private func connect(
        _ index: UInt32, to address: SocketAddress, from source: IPAddress?, timeout: Int64
    ) -> Errno? {
        do {
            let socket = try Socket.connect(address, from: source, speaksFirst: !slots[index].isOpaque)
            Chaos.point(.connectCalled)
            try poller.add(socket.number, tag: tag(index, isServer: true))
            Chaos.point(.serverRegistered)
            slots[index].server = socket.release()
            Chaos.point(.serverStored)
        } catch {
            return error
        }
        slots[index].phase = .connecting
        // A CONNECT that goes with the head was replaced by it.
        slots[index].up.sent = UInt64(slots[index].up.replaced)
        if slots[index].up.added > 0 { prefaces[index]?.sent = 0 }
        setDeadline(index, now + timeout)
        return nil
    }

    /// The connection to the server is there, or failed. `false` when the session went elsewhere or ended.
    ///
    /// - Parameter isDead: The socket says that it failed.
    func connected(_ index: UInt32, isDead: Bool) -> Bool {
        let code = isDead ? Socket.error(slots[index].server) : 0
        guard code == 0 else {
            tryNext(index, .connect(errno: code), .connectFailed)
            return false
        }
        if slots[index].edge != 0, !privates(index).transport.isPlain {
            return greet(index) && beginServerEdge(index)
        }
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        slots[index].phase = .awaiting
        slots[index].connectedAfter = slots[index].after(now)
        setDeadline(index, now + backend.limits.connackTimeout)
        return sendConnect(index)
    }

    /// The server has all that it gets before the client's own bytes. `false` when the session went elsewhere, went on,
    /// or ended.
    func headSent(_ index: UInt32) -> Bool {
        if slots[index].isOpaque {
            establishOpaque(index)
            return false
        }
        guard slots[index].down.chunk != 0 else { return true }
        return !judge(index, slots[index].down.chunk)
    }

    /// Sends what is left of the CONNECT; nothing behind it, so that it can be sent again elsewhere. `false` when the
    /// session went elsewhere or ended.
    func sendConnect(_ index: UInt32) -> Bool {
        if slots[index].up.added > 0 { return sendHead(index) }
        if slots[index].edge != 0 { return sendConnectThroughEdge(index) }
        let end = Int(slots[index].connectLength)
        while true {
            let start = Int(slots[index].up.sent)
            guard start < end else { break }
            switch chunks.send(slots[index].server, from: slots[index].up.chunk, start, end) {
            case .moved(let count):
                Chaos.point(.connectSent)
                slots[index].up.sent += UInt64(count)
            case .wouldBlock: return true
            case .ended: return true
            case .failed:
                // It was connected, so this is no failed connect: the CONNECT may be the cause. What it said before
                // it closed is still to be read.
                readConnack(index, ending: true)
                return false
            }
        }
        return slots[index].isOpaque ? headSent(index) : true
    }

    /// Reads the server's answer.
    func readConnack(_ index: UInt32, ending: Bool) {
        if slots[index].edge != 0 {
            readServerEdge(index, ending: ending)
            return
        }
        if slots[index].down.chunk == 0 {
            guard let chunk = chunks.allocate() else {
                counters.add(.limitChunks)
                refuse(index, code: .serverBusy, .limit)
                return
            }
            slots[index].down.chunk = chunk
        }
        let chunk = slots[index].down.chunk
        while true {
            let received = Int(slots[index].down.received)
            guard received < chunks.size else {
                tryNext(index, .malformed, .connackMalformed)
                return
            }
            switch chunks.receive(slots[index].server, into: chunk, at: received) {
            case .moved(let count):
                Chaos.point(.connackRead)
                slots[index].down.received += UInt64(count)
                slots[index].isServerUnread = ending || count == chunks.size - received
                if judge(index, chunk) { return }
                if count < chunks.size - received, !ending { return }
            case .wouldBlock: return
            case .ended, .failed:
                // With a part of the head unsent, what came has waited for this.
                if isHeadPending(index), judge(index, chunk, isOver: true) { return }
                tryNext(index, .closed, .serverClosedEarly)
                return
            }
        }
    }

    /// Whether the answer is whole, and was acted on.
    ///
    /// - Parameter isOver: Nothing more comes from this server, though it was not given the whole head.
    func judge(_ index: UInt32, _ chunk: UInt32, isOver: Bool = false) -> Bool {
        guard isOver || !isHeadPending(index) else { return false }
        let version = ProtocolVersion(rawValue: slots[index].level) ?? .v311
        enum Finding { case more, connack(Connack, assigned: [UInt8]), authentication, malformed }
        let finding = chunks.withBytes(of: chunk, length: Int(slots[index].down.received)) { bytes -> Finding in
            do {
                switch try Connack.read(bytes, version: version) {
                case .needMore: return .more
                case .authentication: return .authentication
                case .connack(let connack, _):
                    return .connack(connack, assigned: connack.assignedClientIdentifier?.bytes(in: bytes) ?? [])
                }
            } catch {
                return .malformed
            }
        }
        switch finding {
        case .more: return false
        case .malformed: tryNext(index, .malformed, .connackMalformed)
        case .connack(let connack, _) where isOver && connack.disposition == .refused:
            counters.add(.connackRefused)
            let answer = chunks.withBytes(of: chunk, length: connack.length) { bytes in
                (0..<connack.length).map { bytes[$0] }
            }
            finish(index, with: answer, .serverClosed)
        case .authentication where isOver, .connack where isOver: tryNext(index, .malformed, .connackMalformed)
        case .authentication: establish(index, .asksMore)
        case .connack(let connack, let assigned):
            slots[index].connackCode = connack.code
            slots[index].isSessionPresent = connack.sessionPresent
            switch connack.disposition {
            case .accepted:
                if let ordered = connack.serverKeepAlive { slots[index].keepAlive = ordered }
                if slots[index].keyLength == 0, !assigned.isEmpty { _ = keys.store(assigned.span, in: &slots[index]) }
                hideReference(connack, in: chunk, at: 0)
                establish(index, .accepted)
            case .refused where connack.serverReference != nil:
                // Nobody learns the servers behind this door (MQTT 5.0, 3.2.2.3.16).
                counters.add(.connackRefused)
                counters.add(.serverReferencesHidden)
                finish(index, with: Connack.refusal(connack.reason, version: version), .serverClosed)
            case .refused:
                counters.add(.connackRefused)
                establish(index, .refused)
            case .tryAnother:
                counters.add(.connackAnotherServer)
                report(index, .sessionBusy(code: connack.code))
                retry(index)
            }
        }
        return true
    }

    private enum Answer { case accepted, refused, asksMore }

    /// The server answered: from here on bytes flow untouched.
    ///
    /// A server that asks for authentication in several steps (AUTH; MQTT 5.0, 4.12) has accepted nobody yet: the stick table learns
    /// nothing from a client that anybody may be, and the keep-alive that counts is unknown. Both wait for its CONNACK
    /// (``judgePacket(_:)``); the CONNECT cannot go to another server any more.
    private func establish(_ index: UInt32, _ answer: Answer) {
        let listener = snapshot.listeners[Int(slots[index].listener)]
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        let server = backend.connected(on: Int(slots[index].serverIndex))
        Chaos.point(.countedAtServer)
        switch answer {
        case .accepted: welcome(index, backend, listener, server)
        case .refused: break
        case .asksMore:
            counters.add(.authentications)
            slots[index].awaitsConnack = true
        }
        Chaos.point(.learned)
        let keepAlive = answer == .asksMore ? 0 : slots[index].keepAlive
        relay(index, idle: idleTime(keepAlive, listener.settings.idleTimeout))
    }

    /// The client is in.
    func welcome(_ index: UInt32, _ backend: BackendRuntime, _ listener: ListenerRuntime, _ server: Server.ID) {
        counters.add(.established)
        listener.totals.add(.established)
        learn(index, backend, server)
    }

    /// The server is there, and whatever the client says is for it.
    private func establishOpaque(_ index: UInt32) {
        let listener = snapshot.listeners[Int(slots[index].listener)]
        _ = snapshot.backends[Int(slots[index].backendNumber)].connected(on: Int(slots[index].serverIndex))
        counters.add(.established)
        listener.totals.add(.established)
        relay(
            index,
            idle: (listener.settings.idleTimeout ?? Configuration.ListenerProtocol.usualIdleTimeout).nanoseconds)
    }

    /// Bytes flow from here on.
    ///
    /// - Parameter idle: silence that ends the session, in nanoseconds; `Int64.max`: never.
    private func relay(_ index: UInt32, idle: Int64) {
        if !prefaces.isEmpty { forgetPreface(index, isEstablished: true) }
        // Only records tell of these from here on.
        if snapshot.recording == nil, !facts.isEmpty { facts[index] = nil }
        keepBeyondProcess(index)
        // A successor takes the session as it is from the phase on: no deadline of its beginning may stand there any more.
        slots[index].lastActivity = now
        slots[index].idle = idle
        slots[index].deadline = .max
        if slots[index].awaitsConnack {
            awaitConnackLonger(index)
        } else {
            slots[index].connackAfter = slots[index].after(now)
        }
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        slots[index].phase = .relaying
        Chaos.point(.relaying)
        if slots[index].edge != 0 {
            settleEdge(index)
        } else if slots[index].down.chunk != 0 {
            followDown(index, slots[index].down.chunk, Int(slots[index].down.received - slots[index].down.base))
        }
        if !slots[index].awaitsConnack { recordConnack(index) }
        watchSilence(index)
        // What was read to its end is not read again: whatever comes from now on is told.
        let (client, server) = (slots[index].isClientUnread, slots[index].isServerUnread)
        if pump(index, isUp: false, ending: true, isDrained: !server) {
            _ = pump(index, isUp: true, ending: true, isDrained: !client)
        }
    }

    /// The CONNACK is the client's.
    func noteConnack(_ index: UInt32) {
        slots[index].connackAfter = slots[index].after(now)
        recordConnack(index)
    }

    /// Ends the session when its client is silent for as long as its slot says.
    func watchSilence(_ index: UInt32) {
        if slots[index].idle == .max {
            // Nobody speaks regularly: only probes tell a silent end from a dead one.
            Socket.setKeepAlive(slots[index].client)
            Socket.setKeepAlive(slots[index].server)
        }
        armIdle(index)
    }

    /// How long a client may be silent, in nanoseconds: 1.5 × its keep-alive (MQTT 5.0, 3.1.2.10) and half a second
    /// for its broker to say so first.
    func idleTime(_ keepAlive: UInt16, _ configured: Duration?) -> Int64 {
        if let configured { return configured.nanoseconds }
        return keepAlive == 0 ? .max : Int64(keepAlive) * 1_500_000_000 + 500_000_000
    }

    /// The stick table learns where the client is.
    private func learn(_ index: UInt32, _ backend: BackendRuntime, _ server: Server.ID) {
        guard let table = backend.table, slots[index].keyLength > 0 else { return }
        switch table.connected(keys.load(slots[index]), server: server, at: Instant(nanoseconds: now)) {
        case .moved:
            counters.add(.stickMoved)
            slots[index].table = table.number
            slots[index].isPinned = true
        case .learned, .known:
            slots[index].table = table.number
            slots[index].isPinned = true
        case .refused: counters.add(.stickRefused)
        }
    }

    // MARK: Failing

    /// This server did not work: it is reported and the next one is tried.
    func tryNext(_ index: UInt32, _ failure: HealthState.Failure, _ counter: ProxyCounter) {
        serverFailed(index, failure, counter)
        retry(index)
    }

    private func serverFailed(_ index: UInt32, _ failure: HealthState.Failure, _ counter: ProxyCounter) {
        counters.add(counter)
        report(index, .sessionFailed(failure))
        leaveServer(index)
    }

    func retry(_ index: UInt32) {
        leaveServer(index)
        chooseServer(index)
    }

    func report(_ index: UInt32, _ event: HealthState.Event) {
        let backend = snapshot.backends[Int(slots[index].backendNumber)]
        backend.report(event, server: Int(slots[index].serverIndex), at: Instant(nanoseconds: now))
    }

    /// Leaves the server: its socket, what it sent, and its count.
    func leaveServer(_ index: UInt32) {
        if slots[index].server >= 0 {
            Descriptor.close(slots[index].server)
            Chaos.point(.serverClosed)
            slots[index].server = -1
        }
        release(index, isUp: false)
        slots[index].down = Flow()
        slots[index].isServerUnread = true
        leaveServerEdge(index)
        if slots[index].isCounted {
            slots[index].isCounted = false
            snapshot.backends[Int(slots[index].backendNumber)].end(
                on: Int(slots[index].serverIndex), source: slots[index].sourceIndex)
        }
    }
}
