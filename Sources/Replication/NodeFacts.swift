// What a node says about itself in each heartbeat.

package import Wire

/// Facts of a node that its peer decides by (docs/replication.md, 4).
package struct NodeFacts: Hashable, Sendable {
    /// The state of the node's virtual router.
    package enum Router: UInt8, Sendable {
        case unknown = 0
        case initialize = 1
        case backup = 2
        case active = 3
    }

    package var router: Router = .unknown
    /// It could serve clients now.
    package var isReady = false
    /// It holds all entries its peer had. Filled in by the session.
    package var isInSync = false
    /// Milliseconds for which it will not claim the address.
    package var stepDownHold: UInt32 = 0
    /// Every virtual router of the node, at most ``RouterReport/maximum``.
    package var routers: [RouterReport] = []
    /// Another one each time the holder of the addresses spoke, and only good for telling that.
    package var reportNumber: UInt64 = 0
    /// How many microseconds ago it spoke, when this was written.
    package var reportAge: UInt64 = 0

    static let routerKind: UInt8 = 5
    private static let reportKind: UInt8 = 6

    package init() {}

    func append(to out: inout [UInt8]) {
        out += [1, 1, router.rawValue]
        out += [2, 1, isReady ? 1 : 0]
        out += [3, 1, isInSync ? 1 : 0]
        out += [4, 4]
        out.append(bigEndian: stepDownHold)
        out += [Self.reportKind, 16]
        out.append(bigEndian: reportNumber)
        out.append(bigEndian: reportAge)
        for router in routers.prefix(RouterReport.maximum) { router.append(to: &out) }
    }

    /// Reads a heartbeat's body; unknown kinds are skipped, unknown router states read as unknown.
    static func parse(_ body: borrowing Span<UInt8>) throws(PeerRefusal) -> NodeFacts {
        let type = FrameType.heartbeat
        var facts = NodeFacts()
        var reader = ByteReader(body)
        while !reader.isAtEnd {
            let kind = try reader.field8(type)
            let length = Int(try reader.field8(type))
            let value = try reader.fieldBytes(length, type)
            if kind == routerKind {
                guard facts.routers.count < RouterReport.maximum else { continue }
                if let router = try RouterReport.parse(value) { facts.routers.append(router) }
                continue
            }
            if kind == reportKind {
                guard value.count >= 16 else { throw .malformed(.short(type: type)) }
                facts.reportNumber = value[..<8].reduce(0) { $0 << 8 | UInt64($1) }
                facts.reportAge = value[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
                continue
            }
            guard (1...4).contains(kind) else { continue }
            guard value.count >= (kind == 4 ? 4 : 1) else { throw .malformed(.short(type: type)) }
            switch kind {
            case 1: facts.router = Router(rawValue: value[0]) ?? .unknown
            case 2: facts.isReady = value[0] != 0
            case 3: facts.isInSync = value[0] != 0
            default: facts.stepDownHold = value.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
            }
        }
        return facts
    }
}
