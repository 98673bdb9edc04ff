// How the main thread hears that a stick table changed.

import Linux
import Synchronization

/// Rung by loops for each client that comes or goes, heard by the main thread once for many: a bell for each of them would
/// cost more than the table itself.
final class TableNews: Sendable {
    /// Changes gather for so long before the peer is told.
    static let gathering = Duration.milliseconds(1)

    let bell: Bell
    /// Somebody is told of changes: there is a peer.
    private let isWanted = Atomic(false)
    /// The bell was rung and what it was rung for was not looked at.
    private let isPending = Atomic(false)

    init() throws(Errno) { bell = try Bell() }

    /// Whether changes matter to anybody from now on.
    func want(_ wanted: Bool) { isWanted.store(wanted, ordering: .sequentiallyConsistent) }

    /// Says, from any thread, that a table has changed.
    func ring() {
        guard isWanted.load(ordering: .sequentiallyConsistent),
            !isPending.exchange(true, ordering: .sequentiallyConsistent)
        else { return }
        bell.ring()
    }

    /// What was changed until now is looked at after this call: the next change rings again.
    func look() { isPending.store(false, ordering: .sequentiallyConsistent) }
}
