// What is left to do for sessions that were taken over, once they are served.

import Linux
import Wire

extension Loop {
    /// Looks at inherited sessions once more when they are served already, some in each turn: whether their sockets are what they
    /// were, and tells the stick tables that their clients are connected, as after a restart nobody is.
    ///
    /// No sooner than the stick tables are open, and with pauses: what clients and servers have to do now comes first.
    func settleInherited() {
        guard now >= settlesAt else { return }
        settlesAt = now + Self.settlementWait
        guard snapshot.tables.allSatisfy(\.isOpen) else { return }
        let batch = Array(unsettled.suffix(Share.settlements))
        unsettled.removeLast(batch.count)
        if unsettled.isEmpty { unsettled = [] }
        for index in batch where slots[index].isInherited {
            slots[index].isInherited = false
            switch slots[index].phase {
            case .relaying where !isItself(index):
                // What is not its own is not closed.
                if !isStill(slots[index].client, slots[index].clientCookie) { slots[index].client = -1 }
                if !isStill(slots[index].server, slots[index].serverCookie) { slots[index].server = -1 }
                counters.add(.inheritedBroken)
                end(index, .failure)
            case .relaying, .orphaned: pin(index)
            // It has ended meanwhile.
            case .free, .securing, .upgrading, .preamble, .held, .connecting, .opening, .awaiting, .lingering: break
            }
        }
    }

    private func pin(_ index: UInt32) {
        let slot = slots[index]
        guard !slot.isPinned, slot.table != Slot.noTable else { return }
        let server = snapshot.backends[Int(slot.backendNumber)].serverID(Int(slot.serverIndex))
        let table = snapshot.tables[Int(slot.table)]
        switch table.connected(keys.load(slot), server: server, at: Instant(nanoseconds: now)) {
        case .learned, .known, .moved: slots[index].isPinned = true
        case .refused:
            slots[index].table = Slot.noTable
            counters.add(.stickRefused)
        }
        Chaos.point(.pinned)
    }
}
