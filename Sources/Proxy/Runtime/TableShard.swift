// One shard of a stick table under its lock, opened by whoever needs it first.

import Balancing
import Synchronization
import Wire

extension TableRuntime {
    /// A part of the table that is locked for itself. A class, because a lock cannot be moved.
    final class Shard: Sendable {
        /// How it was opened.
        private enum State: UInt8, AtomicRepresentable {
            case unopened
            /// Empty: there was nothing to be taken over, or it made no sense.
            case created
            /// With the entries of a former process.
            case adopted
        }

        /// Whoever locks it has called ``open()`` before.
        let table: Mutex<StickTable>
        private let region: MemoryRegion
        private let settings: StickTable.Settings
        private let time: Instant
        private let state = Atomic(State.unopened)
        private let dropped = Atomic<UInt64>(0)

        /// - Parameters:
        ///   - region: its memory; nothing of it is read before ``open()``.
        ///   - time: when the table was taken over.
        init(_ region: MemoryRegion, _ settings: StickTable.Settings, at time: Instant) {
            table = Mutex(StickTable(unopened: region, settings: settings, at: time))
            self.region = region
            self.settings = settings
            self.time = time
        }

        var isOpen: Bool { state.load(ordering: .acquiring) != .unopened }
        /// Open, with the entries of a former process.
        var isAdopted: Bool { state.load(ordering: .acquiring) == .adopted }
        /// Records dropped at adoption because their writer died while writing them.
        var torn: UInt64 { dropped.load(ordering: .relaxed) }

        /// Takes over what a former process left, or formats the memory, unless that was done.
        @inline(__always)
        func open() { if !isOpen { openNow() } }

        private func openNow() {
            table.withLock { table in
                // Somebody else may have been faster.
                guard !isOpen else { return }
                do {
                    table = try StickTable(adopting: region, settings: settings, at: time)
                    dropped.store(table.counters.torn, ordering: .relaxed)
                    state.store(.adopted, ordering: .releasing)
                } catch {
                    table = StickTable(creating: region, settings: settings, at: time)
                    state.store(.created, ordering: .releasing)
                }
            }
        }
    }
}
