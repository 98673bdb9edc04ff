// A bounded memory of who was here lately.

/// Values by key, at most a fixed number of them: the key that was not seen for longest is forgotten for a new one.
///
/// Memory grows as keys come, up to the bound; every operation takes the same time however full it is.
package struct RecentTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var key: Key
        var value: Value
        /// Neighbours by age; -1: none.
        var newer = -1
        var older = -1
    }

    /// Most keys, at least one.
    package let capacity: Int
    /// Keys that were forgotten for others.
    package private(set) var evicted: UInt64 = 0
    private var places: [Key: Int] = [:]
    private var entries: [Entry] = []
    private var newest = -1
    private var oldest = -1

    /// - Parameter capacity: most keys, at least one.
    package init(capacity: Int) {
        precondition(capacity > 0, "a table of no keys")
        self.capacity = capacity
    }

    /// Keys remembered now.
    package var count: Int { entries.count }

    /// Lets `body` change the value of a key, which is the newest afterwards.
    ///
    /// - Parameter initial: the value of a key that is not known.
    package mutating func with<Result>(
        _ key: Key, initial: @autoclosure () -> Value, _ body: (inout Value) -> Result
    ) -> Result {
        let place: Int
        if let known = places[key] {
            place = known
            unlink(place)
        } else if entries.count < capacity {
            place = entries.count
            entries.append(Entry(key: key, value: initial()))
            places[key] = place
        } else {
            place = oldest
            unlink(place)
            places[entries[place].key] = nil
            entries[place] = Entry(key: key, value: initial())
            places[key] = place
            evicted += 1
        }
        linkNewest(place)
        return body(&entries[place].value)
    }

    private mutating func unlink(_ place: Int) {
        let (newer, older) = (entries[place].newer, entries[place].older)
        if newer < 0 { newest = older } else { entries[newer].older = older }
        if older < 0 { oldest = newer } else { entries[older].newer = newer }
    }

    private mutating func linkNewest(_ place: Int) {
        entries[place].newer = -1
        entries[place].older = newest
        if newest < 0 { oldest = place } else { entries[newest].newer = place }
        newest = place
    }
}
