// The servers that one session has tried in vain.

/// A small set of server indices: plain data, no allocation, fits a session's slot.
package struct TriedServers: Sendable, BitwiseCopyable {
    /// Most servers that one session tries.
    package static let capacity = 8

    private var indices = InlineArray<8, UInt16>(repeating: 0)
    package private(set) var count = 0

    package init() {}

    package var isFull: Bool { count == TriedServers.capacity }

    /// Remembers a server.
    ///
    /// - Returns: `false` when the set is full, and the session has tried enough.
    package mutating func insert(_ server: Int) -> Bool {
        if contains(server) { return true }
        guard !isFull else { return false }
        indices[count] = UInt16(server)
        count += 1
        return true
    }

    /// Whether the session has tried this server.
    package func contains(_ server: Int) -> Bool {
        for position in 0..<count where Int(indices[position]) == server { return true }
        return false
    }
}
