// Taking connections, within bounds.

import Configuration
import Linux
import MQTT
import Synchronization
import Wire

extension Loop {
    /// Waits on this loop's own socket of every listener in force, and on no other.
    func listen() {
        var wanted: [Int32: ListenerRuntime] = [:]
        for listener in snapshot.listeners where listener.isActive {
            for sockets in listener.sockets where number < sockets.count { wanted[sockets[number]] = listener }
        }
        for socket in listening.keys where wanted[socket] == nil {
            doors.remove(socket)
            resting.removeAll { $0.socket == socket }
        }
        let known = listening
        listening = wanted
        for socket in wanted.keys where known[socket] == nil {
            watch(socket)
        }
    }

    /// Waits on a listener; later, when the kernel has no memory for it now.
    private func watch(_ socket: Int32) {
        do {
            try doors.addLevel(socket, tag: UInt64(UInt32(bitPattern: socket)))
        } catch {
            counters.add(.acceptRefusedByKernel)
            resting.append((socket, now + Self.acceptRest))
        }
    }

    /// Takes a bounded number of connections off a listener.
    func accept(on socket: Int32) {
        guard let listener = listening[socket] else { return }
        if listener.tls != nil, waitingHandshakes.count >= Share.waitingHandshakes {
            counters.add(.acceptsPostponed)
            return
        }
        let start = Clock.now.nanoseconds
        for count in 0..<Share.accepts {
            if count > 0, Clock.now.nanoseconds - start > Share.acceptTime { return }
            do {
                guard let accepted = try Socket.accept(socket) else { return }
                Chaos.point(.accepted)
                let peer = accepted.address
                admit(accepted.take(), from: peer, listener)
            } catch {
                // Descriptors or memory are short: the queue waits in the kernel, and so do we.
                counters.add(.acceptRefusedByKernel)
                doors.remove(socket)
                resting.append((socket, now + Self.acceptRest))
                return
            }
        }
    }

    /// Listeners that have rested listen again.
    func wakeListeners() {
        let due = resting.filter { $0.until <= now }
        resting.removeAll { $0.until <= now }
        for entry in due where listening[entry.socket] != nil { watch(entry.socket) }
    }

    private func admit(_ client: consuming FileDescriptor, from peer: SocketAddress?, _ listener: ListenerRuntime) {
        counters.add(.accepted)
        listener.totals.add(.accepted)
        guard slots.used < snapshot.sessionsPerLoop, let index = slots.allocate() else {
            counters.add(.limitSessions)
            counters.add(.closed)
            listener.totals.add(.refused)
            return
        }
        Chaos.point(.slotTaken)
        slots[index].listener = listener.number
        slots[index].backendNumber = listener.backend
        slots[index].since = now
        if let peer { slots[index].setPeer(peer) }
        guard let awaitsProxy = awaitsProxy(listener, from: peer) else {
            record(slots[index], index, .proxyRefused)
            slots.free(index)
            counters.add(.proxyUntrusted)
            counters.add(EndCause.proxyRefused)
            counters.add(.closed)
            listener.totals.add(.refused)
            return
        }
        guard judgeArrival(index, listener, awaitsProxy: awaitsProxy) else {
            let refusal = AdmissionRefusal(rawValue: slots[index].doom & ~AdmissionBounds.untold)
            record(slots[index], index, refusal?.cause ?? .limit)
            slots.free(index)
            counters.add(.closed)
            listener.totals.add(.refused)
            return
        }
        let socket = client.number
        do {
            try poller.add(
                socket, tag: tag(index, isServer: false))
        } catch {
            // The client was gone before we looked, or the kernel is out of memory: the descriptor closes here.
            leaveListener(slots[index])
            listener.totals.add(.refused)
            if slots[index].doom == 0 { counters.add(EndCause.failure) }
            slots.free(index)
            counters.add(.closed)
            return
        }
        Chaos.point(.clientRegistered)
        slots[index].client = client.release()
        Chaos.point(.clientStored)
        slots[index].phase = .preamble
        if isDraining {
            end(index, .shutdown)
            return
        }
        if !leaving.isEmpty, came(index, to: leaving) {
            end(index, .steppedDown)
            return
        }
        if awaitsProxy {
            slots[index].awaitsProxy = true
            setDeadline(index, now + listener.settings.proxyTimeout.nanoseconds)
        } else {
            beginClient(index, listener)
        }
    }

    /// The tag of a session's socket.
    func tag(_ index: UInt32, isServer: Bool) -> UInt64 {
        Tag(generation: slots[index].generation, index: index, isServer: isServer).rawValue
    }

    /// Whether the client came to one of these addresses.
    func came(_ index: UInt32, to addresses: [IPAddress]) -> Bool {
        guard let local = Socket.localAddress(slots[index].client) else { return true }
        return addresses.contains(local.address)
    }
}
