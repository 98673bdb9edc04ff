// What other threads ask of the loop, carried out in bounded pieces.

import Linux
import Wire

/// A command that goes over all slots, a bounded number in each turn.
struct Chore {
    enum Work {
        /// Close sessions of a server until so many are closed; the gauge gets what is left of that.
        case shed(server: ServerPlace, remaining: Int, unspent: Gauge?)
        /// Close the sessions of clients that came to an address which is being left; between two packets, as long as the
        /// address is there.
        case leave([IPAddress], isHere: Bool, Fence?)
        /// End sessions between two packets until so many do.
        case drain(remaining: Int)
        /// Describe established sessions.
        case list(SessionListing)
        /// Close everything, between two packets where that is possible.
        case stop
        /// Close everything at once.
        case cut
    }

    var work: Work
    /// The slot to look at next.
    var next: UInt32 = 1
}

/// A server's place: which backend, which index in it.
struct ServerPlace: Hashable, Sendable {
    let backend: UInt32
    let index: Int
}

extension Loop {
    func obey(_ commands: [LoopCommand]) {
        for command in commands {
            switch command {
            case .adopt(let next):
                snapshot = next
                if !isStopping { listen() }
            case .shed(let server, let most, let unspent):
                chores.append(Chore(work: .shed(server: server, remaining: most, unspent: unspent)))
            case .leave(let addresses, let refusing, let fence):
                leaving = refusing ? addresses : []
                hurry(Chore(work: .leave(addresses, isHere: refusing, fence)))
            case .resume: leaving = []
            case .passed(let fence): fence.passed()
            case .empty(let hoards): hoards.add()
            case .list(let listing): chores.append(Chore(work: .list(listing)))
            case .drain(let most):
                isDraining = true
                if most > 0 { hurry(Chore(work: .drain(remaining: most))) }
            case .cut: hurry(Chore(work: .cut))
            case .stop:
                isStopping = true
                for socket in listening.keys { doors.remove(socket) }
                listening = [:]
                hurry(Chore(work: .stop))
            }
        }
    }

    /// Somebody waits for this with an address or an end: it comes before those who want to look on.
    private func hurry(_ chore: Chore) {
        let place = chores.firstIndex { if case .list = $0.work { true } else { false } }
        chores.insert(chore, at: place ?? chores.endIndex)
    }

    /// Goes on with the first chore.
    func work() {
        var chore = chores[0]
        let isDone: Bool
        switch chore.work {
        case .shed(let server, let remaining, let unspent):
            var rest = remaining
            isDone = visit(&chore, Share.closes) { index in
                guard rest > 0 else { return }
                let slot = self.slots[index]
                guard slot.phase == .relaying, slot.backendNumber == server.backend,
                    Int(slot.serverIndex) == server.index
                else { return }
                rest -= 1
                self.end(index, .drained)
            }
            chore.work = .shed(server: server, remaining: rest, unspent: unspent)
            if isDone, rest > 0 { unspent?.add(rest) }
        case .leave(let addresses, let isHere, let fence):
            isDone = visit(&chore, Share.closes) { index in
                guard self.came(index, to: addresses) else { return }
                if isHere { self.leave(index, .steppedDown) } else { self.end(index, .steppedDown) }
            }
            if isDone { fence?.passed() }
        case .drain(let remaining):
            var rest = remaining
            isDone = visit(&chore, Share.closes) { index in
                guard rest > 0, self.slots[index].phase == .relaying, !self.slots[index].isLeaving else { return }
                rest -= 1
                self.leave(index, .shutdown)
            }
            chore.work = .drain(remaining: rest)
        case .list(let listing):
            var batch: [SessionListing.Session] = []
            isDone = visit(&chore, Share.descriptions) { index in
                if self.slots[index].phase == .relaying { batch.append(self.describe(index)) }
            }
            listing.add(batch, isLast: isDone)
        case .stop:
            isDone = visit(&chore, Share.closes) { index in self.leave(index, .shutdown) }
        case .cut:
            isDone = visit(&chore, Share.closes) { index in self.cut(index) }
        }
        if isDone { chores.removeFirst() } else { chores[0] = chore }
    }

    /// Visits the next slots in use, as many as this turn has time for; `true` when all have been visited.
    private func visit(_ chore: inout Chore, _ most: Int, _ body: (UInt32) -> Void) -> Bool {
        let end = min(slots.end, chore.next + UInt32(most))
        let limit = Clock.now.nanoseconds + Share.choreTime
        while chore.next < end {
            let isUsed = slots[chore.next].phase != .free
            if isUsed { body(chore.next) }
            chore.next += 1
            if isUsed, Clock.now.nanoseconds > limit { break }
        }
        return chore.next >= slots.end
    }

    private func describe(_ index: UInt32) -> SessionListing.Session {
        let slot = slots[index]
        return SessionListing.Session(
            clientID: keys.load(slot), original: originals[index], peer: slot.peer, level: slot.level, keepAlive: slot.keepAlive,
            server: ServerPlace(backend: slot.backendNumber, index: Int(slot.serverIndex)), reason: slot.reason,
            listener: slot.listener, since: Instant(nanoseconds: slot.since),
            lastActivity: Instant(nanoseconds: slot.lastActivity), bytesUp: slot.up.sent, bytesDown: slot.down.sent,
            skipped: slot.up.skipped, replaced: slot.up.replaced, added: slot.up.added, loop: number)
    }
}
