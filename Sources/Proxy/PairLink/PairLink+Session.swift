// Between the connection and the peer session: frames, actions, deadlines.

import Configuration
import Linux
import Replication
import Telemetry
import Wire

extension PairLink {
    // MARK: Frames

    /// Sends frames while the kernel takes them, up to a bound for one turn.
    func pump() {
        guard let connection = established else { return armTimer() }
        do throws(PairLinkFailure) {
            var isFlushed = try connection.flush()
            var batches = 0
            while isFlushed, batches < Self.batchesPerTurn, let frames = nextFrames() {
                try connection.write(frames)
                isFlushed = try connection.flush()
                batches += 1
            }
            // With all batches used up the next turn goes on, for the socket is still writable.
            let isDone = isFlushed && batches < Self.batchesPerTurn
            wait(connection, isDone ? .readable : [.readable, .writable])
        } catch {
            return fail(connection, error)
        }
        armTimer()
    }

    /// A batch of frames; `nil` when there is nothing to send.
    private func nextFrames() -> [UInt8]? {
        var frames: [UInt8] = []
        let now = Clock.now
        while frames.count < Self.batch, session.nextFrame(into: &frames, at: now) {}
        return frames.isEmpty ? nil : frames
    }

    // MARK: Actions

    func perform(_ actions: [PeerAction]) {
        for action in actions {
            switch action {
            case .close(let refusal): if let established { fail(established, .refusal(refusal)) }
            case .up(let name): linkUp(name)
            case .down: linkDown()
            case .inSync(let isInSync): syncChanged(isInSync)
            case .peerFacts: peerFactsSince = Clock.now
            case .tableRefused(let name, let reason): tableRefused(name, reason)
            }
        }
        if !actions.isEmpty { changed?() }
    }

    private func linkUp(_ name: String) {
        backoff.reset()
        reported = nil
        refusedTables = []
        unlinkedSince = nil
        loop.cancel(aloneTimer)
        aloneTimer = nil
        log?.notice("The pair link is up.", ["peer": name])
    }

    private func linkDown() {
        startWaitingAlone()
        log?.notice("The pair link is down.", ["peer": peer.name])
    }

    private func syncChanged(_ isInSync: Bool) {
        guard isInSync else { return }
        wasInSync = true
        log?.notice("This node has all stick entries of its peer.", ["peer": peer.name])
    }

    private func tableRefused(_ name: String, _ reason: PeerAction.TableRefusal) {
        refusedTables.append((name, reason))
        log?.warning("A stick table is not replicated: \(Self.text(reason)).", ["table": name, "peer": peer.name])
    }

    static func text(_ reason: PeerAction.TableRefusal) -> String {
        switch reason {
        case .notAtPeer: "the peer does not have it"
        case .notHere: "only the peer has it"
        case .otherKey: "the nodes hash keys differently"
        }
    }

    // MARK: Time

    /// Wakes the session when it wants to be. A deadline that moved away is left in place: it comes early, and then the
    /// next one is set.
    func armTimer() {
        guard let deadline = session.nextDeadline else {
            loop.cancel(sessionTimer?.timer)
            sessionTimer = nil
            return
        }
        if let sessionTimer {
            if sessionTimer.deadline <= deadline { return }
            loop.cancel(sessionTimer.timer)
        }
        let timer = loop.schedule(at: deadline) { [unowned self] in
            sessionTimer = nil
            perform(session.handle(.timer, at: Clock.now))
            pump()
        }
        sessionTimer = (timer, deadline)
    }

    /// There is no link: from some time on this node goes by what it has.
    func startWaitingAlone() {
        guard isStarted else { return }
        let now = Clock.now
        unlinkedSince = now
        loop.cancel(aloneTimer)
        aloneTimer = loop.schedule(at: now + Self.aloneAfter) { [unowned self] in
            aloneTimer = nil
            changed?()
        }
    }
}
