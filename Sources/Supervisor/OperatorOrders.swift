// What operators, and programs in their name, ordered about servers: told again to a balancer that does not know.

import Wire

/// The orders in force, oldest first.
///
/// A state that checks find is found again; a server that somebody drained for maintenance must stay drained when the
/// balancer dies or becomes another program. Nothing is kept beyond the daemon's end.
struct OperatorOrders: Equatable {
    /// Orders that are remembered; beyond that the oldest is forgotten.
    static let maximum = 1024

    private struct Key: Hashable {
        var server: String
        var isWeight: Bool
    }

    private(set) var all: [JSON] = []
    /// Orders that were forgotten for want of room.
    private(set) var forgotten: UInt64 = 0

    init() {}

    /// - Parameter all: orders of a supervisor before this one; what is none is left out.
    init(_ all: [JSON]) { for order in all.suffix(Self.maximum) { add(order) } }

    /// Remembers what was done, in the place of what it replaces. Requests that are no such order are not.
    mutating func add(_ request: JSON) {
        guard let key = Self.key(request) else { return }
        all.removeAll { Self.key($0) == key }
        if all.count == Self.maximum {
            all.removeFirst()
            forgotten += 1
        }
        all.append(request)
    }

    private static func key(_ request: JSON) -> Key? {
        guard let server = request["server"]?.string, let command = request["command"]?.string else { return nil }
        switch command {
        case "drain", "enable", "disable": return Key(server: server, isWeight: false)
        case "weight": return Key(server: server, isWeight: true)
        default: return nil
        }
    }
}
