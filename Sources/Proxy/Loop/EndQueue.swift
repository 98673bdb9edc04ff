// Ends of sessions that wait, so that nobody else waits for them.

/// Ends get a part of each turn; those beyond it wait, in the order in which they were told.
///
/// The kernel tells events in the order in which they happened. When thousands of sessions end at one moment, what an established
/// one says next stands behind all of them, and an end costs ten times what a message does. So what is told as an end is taken off the
/// kernel's queue at once, which costs next to nothing, and served when everybody else was.
///
/// A session waits once at most for each of its sockets, so the slots bound the queue.
struct EndQueue<Event> {
    /// Nanoseconds of one turn; the last end begun goes on to its end.
    static var time: Int64 { 1_000_000 }

    private var waiting: [Event] = []
    /// How many at the front were taken already.
    private var taken = 0
    /// Nanoseconds of this turn that ends took.
    private(set) var used: Int64 = 0

    var count: Int { waiting.count - taken }
    var isEmpty: Bool { count == 0 }
    /// Whether another one may be served in this turn.
    var hasTime: Bool { used < Self.time }

    /// A turn begins. Gives the room of those that were taken back.
    mutating func begin() {
        used = 0
        if taken > 0 {
            waiting.removeFirst(taken)
            taken = 0
        }
    }

    /// Ends took so many nanoseconds of this turn.
    mutating func charge(_ nanoseconds: Int64) { used += nanoseconds }

    mutating func append(_ event: Event) { waiting.append(event) }

    /// The one that has waited for longest, if there is time for it.
    mutating func popFirst() -> Event? {
        guard hasTime, taken < waiting.count else { return nil }
        taken += 1
        return waiting[taken - 1]
    }
}
