// Making the connection: dialling, listening, handshakes, and what to do when one ends.

import Configuration
import Linux
import Replication
import TLS
import Telemetry
import Wire

extension PairLink {
    // MARK: Dialling

    /// Begins a connection to the peer.
    func dial() {
        retryTimer = nil
        do throws(Errno) {
            let socket = try Socket.connect(SocketAddress(peer.address, port: port), from: local.address)
            begin(socket, isConnecting: true)
        } catch {
            fail(nil, .connection(error))
        }
    }

    /// Dials after the wait that the failures so far call for.
    func dialSoon() {
        guard isStarted, dials, retryTimer == nil else { return }
        retryTimer = loop.schedule(at: Clock.now + backoff.next()) { [unowned self] in dial() }
    }

    // MARK: Listening

    func listen() {
        retryTimer = nil
        do throws(Errno) {
            let listener = try Socket.listen(
                SocketAddress(local.address, port: port), backlog: Int32(Self.maximumHandshakes), reusePort: false)
            try loop.add(listener.number, .readable) { [unowned self] _ in acceptAll() }
            self.listener = consume listener
        } catch {
            listenLater(.connection(error))
        }
    }

    private func listenLater(_ failure: PairLinkFailure) {
        note(failure)
        retryTimer = loop.schedule(at: Clock.now + Self.listenAgain) { [unowned self] in listen() }
    }

    func stopListening() {
        guard let number = listener?.number else { return }
        loop.remove(number)
        listener = nil
    }

    private func acceptAll() {
        // What is beyond the backlog comes in the next turn.
        for _ in 0..<Self.maximumHandshakes {
            guard let listening = listener?.number else { return }
            do throws(Errno) {
                guard let accepted = try Socket.accept(listening) else { return }
                let address = accepted.address
                let socket = accepted.take()
                guard address?.address == peer.address else {
                    // Closed without a byte, by going out of scope.
                    note(.stranger(address.map { "\($0.address)" } ?? "an unknown address"))
                    continue
                }
                guard handshakes.count < Self.maximumHandshakes else {
                    note(.crowded)
                    continue
                }
                begin(socket, isConnecting: false)
            } catch {
                // No descriptor left, say: the queue would stay readable and the loop would spin.
                stopListening()
                return listenLater(.connection(error))
            }
        }
    }

    // MARK: Handshakes

    private func begin(_ socket: consuming FileDescriptor, isConnecting: Bool) {
        let connection: PairConnection
        do throws(TLSError) {
            connection = try PairConnection(
                socket, context, isConnecting: isConnecting, deadline: Clock.now + Self.handshakeTimeout)
        } catch {
            return fail(nil, .security(error))
        }
        let interest: EventLoop.Readiness = isConnecting ? .writable : .readable
        do throws(Errno) {
            // Small frames are sent at once: heartbeats decide about the address.
            try Socket.setNoDelay(connection.number)
            try loop.add(connection.number, interest) { [unowned self, unowned connection] readiness in
                serve(connection, readiness)
            }
        } catch {
            return fail(nil, .connection(error))
        }
        interests[connection.number] = interest
        handshakes.append(connection)
        watchHandshakes()
    }

    /// Ends handshakes that take too long.
    func watchHandshakes() {
        loop.cancel(handshakeTimer)
        handshakeTimer = nil
        guard let deadline = handshakes.map(\.deadline).min() else { return }
        handshakeTimer = loop.schedule(at: deadline) { [unowned self] in
            let now = Clock.now
            for connection in handshakes where connection.deadline <= now { fail(connection, .slow) }
            watchHandshakes()
        }
    }

    func dropHandshakes() {
        for connection in handshakes { forget(connection) }
    }

    // MARK: Serving

    /// Waits for what the connection needs now.
    func wait(_ connection: PairConnection, _ interest: EventLoop.Readiness) {
        guard interests[connection.number] != nil, interests[connection.number] != interest else { return }
        do throws(Errno) {
            try loop.modify(connection.number, interest)
            interests[connection.number] = interest
        } catch {
            fail(connection, .connection(error))
        }
    }

    private func serve(_ connection: PairConnection, _ readiness: EventLoop.Readiness) {
        do throws(PairLinkFailure) {
            if connection.phase == .connecting { try connection.connected() }
            let wasEstablished = connection.phase == .established
            let received = try connection.receive()
            if connection.phase == .established, !wasEstablished { adopt(connection) }
            if connection === established {
                if !received.plaintext.isEmpty {
                    perform(session.receive(received.plaintext.span, at: Clock.now))
                }
                if received.isEnded, connection === established { throw .closed }
                pump()
            } else if interests[connection.number] != nil {
                if received.isEnded { throw .closed }
                let isFlushed = try connection.flush()
                wait(connection, isFlushed ? .readable : [.readable, .writable])
            }
        } catch {
            fail(connection, error)
        }
    }

    /// The peer has proved the secret: this connection is the link from now on.
    private func adopt(_ connection: PairConnection) {
        handshakes.removeAll { $0 === connection }
        watchHandshakes()
        if established != nil {
            // The peer has dialled anew: it has given the old connection up.
            endLink()
        }
        established = connection
        // How old the report of this host's `vip` was when the last link ended says nothing now.
        _ = session.handle(.facts(facts()), at: Clock.now)
        perform(session.handle(.connected, at: Clock.now))
    }

    // MARK: Ends

    /// A connection ended, or could not be made: counts why, and goes on trying.
    func fail(_ connection: PairConnection?, _ failure: PairLinkFailure) {
        if let connection {
            // It may have been given up by an earlier step of the same turn.
            guard interests[connection.number] != nil else { return }
            if connection === established { endLink() } else { forget(connection) }
        }
        note(failure)
        if established == nil, handshakes.isEmpty { dialSoon() }
    }

    /// Gives the link up, if there is one.
    func endLink() {
        guard let connection = established else { return }
        established = nil
        connection.close()
        forget(connection)
        perform(session.handle(.disconnected, at: Clock.now))
    }

    /// Lets go of a connection's descriptor; the connection goes when its last user does.
    private func forget(_ connection: PairConnection) {
        loop.remove(connection.number)
        interests[connection.number] = nil
        handshakes.removeAll { $0 === connection }
    }

    /// Counts a failure, and says it once until something else happens.
    func note(_ failure: PairLinkFailure) {
        failures[failure.label, default: 0] += 1
        lastError = LastError(failure: failure, time: Clock.now)
        guard reported != failure else { return }
        reported = failure
        log?.warning(
            "The pair link failed: \(failure.reason).",
            ["peer": peer.name, "address": peer.address, "reason": failure.label])
    }
}
