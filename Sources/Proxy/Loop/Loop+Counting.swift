// Counting the sessions of a former process where they belong, each place once.

import Linux
import Wire

/// How many sessions of one loop belong where, so that each place is told once.
struct InheritedCounts {
    /// A server of a backend, and the source of ours to it.
    struct Place: Hashable {
        var backend: UInt32
        var server: UInt16
        var source: UInt8
    }

    private(set) var sessions = 0
    private(set) var listed: [UInt16: Int] = [:]
    private(set) var counted: [Place: Int] = [:]

    /// - Parameters:
    ///   - listener: the one among whose sessions it counts.
    ///   - place: the server at which it counts.
    mutating func add(listener: UInt16?, place: Place?) {
        sessions += 1
        if let listener { listed[listener, default: 0] += 1 }
        if let place { counted[place, default: 0] += 1 }
    }
}

extension Loop {
    /// Counts a session at its source, and notes where else it counts.
    func count(_ index: UInt32, _ counts: inout InheritedCounts) {
        let slot = slots[index]
        slots[index].isPinned = false
        slots[index].isInherited = true
        slots[index].bucket = TimerWheel.none
        slots[index].leaving = 0
        if slot.sourcePrefix != 0 {
            snapshot.listeners[Int(slot.listener)].admission.inherit(slot.peer.address, prefix: slot.sourcePrefix)
        }
        counts.add(listener: slot.isListed ? slot.listener : nil, place: slot.isCounted ? place(slot) : nil)
    }

    private func place(_ slot: borrowing Slot) -> InheritedCounts.Place {
        InheritedCounts.Place(backend: slot.backendNumber, server: slot.serverIndex, source: slot.sourceIndex)
    }

    /// Tells listeners and servers how many sessions are theirs.
    func tell(_ counts: InheritedCounts) {
        counters.add(.accepted, UInt64(counts.sessions))
        for (listener, sessions) in counts.listed { snapshot.listeners[Int(listener)].sessions.add(sessions) }
        var gone: Set<InheritedCounts.Place> = []
        for (place, sessions) in counts.counted {
            let backend = snapshot.backends[Int(place.backend)]
            let hasSource = backend.inherit(sessions, on: Int(place.server), source: place.source)
            if !hasSource, place.source != .max { gone.insert(place) }
        }
        guard !gone.isEmpty else { return }
        for index in 1..<slots.end where slots[index].isCounted && gone.contains(place(slots[index])) {
            slots[index].sourceIndex = .max
        }
    }
}
