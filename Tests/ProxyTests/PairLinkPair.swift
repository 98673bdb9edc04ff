// Two nodes in one process: an event loop each, turned alternately, and a pair link between them over loopback.

import Configuration
import Linux
import Replication
import TLS
import Testing
import Wire

@testable import Proxy

/// Anton, who dials, and Berta, who listens.
final class PairLinkPair {
    final class Side {
        let loop: EventLoop
        let node: Configuration.Node
        var tables: [PairLinkTable]
        var facts = NodeFacts()
        var link: PairLink?

        init(_ name: String, _ address: IPv4Address, tables: [PairLinkTable]) throws {
            loop = try EventLoop()
            node = Configuration.Node(name: name, address: .v4(address))
            self.tables = tables
        }

        var status: JSON { link?.status ?? .null }
        func count(_ group: String, _ name: String) -> Int64 { status[group]?[name]?.integer ?? 0 }
    }

    let anton: Side
    let berta: Side
    let port: UInt16
    static let secret = PairSecret.generate()

    init(antonTables: [PairLinkTable], bertaTables: [PairLinkTable]) throws {
        Signals.ignorePipe()
        // An address pair of its own, so that tests may run side by side.
        let octet = UInt8.random(in: 1...250)
        let second = UInt8.random(in: 1...250)
        anton = try Side("anton", IPv4Address(127, octet, second, 1), tables: antonTables)
        berta = try Side("berta", IPv4Address(127, octet, second, 2), tables: bertaTables)
        port = UInt16.random(in: 20_000...29_000)
    }

    convenience init() throws {
        try self.init(antonTables: [PairLinkTable(node: "anton")], bertaTables: [PairLinkTable(node: "berta")])
    }

    deinit {
        anton.link?.close()
        berta.link?.close()
    }

    /// Makes a link and starts it, as a new process would.
    func start(_ side: Side, secret: PairSecret = secret) throws {
        let peer = side === anton ? berta : anton
        let link = try PairLink(
            on: side.loop, log: nil, local: side.node, peer: peer.node, port: port, secret: secret,
            tables: side.tables, facts: { [unowned side] in side.facts })
        side.link = link
        link.start()
    }

    /// Ends a link as a stopped process would.
    func stop(_ side: Side) {
        side.link?.close()
        side.link = nil
    }

    func startBoth() throws {
        try start(berta)
        try start(anton)
    }

    /// Turns both loops until the condition holds; the bound is only for a test that hangs.
    func run(until condition: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let end = Clock.now + .seconds(60)
        while !condition() {
            try #require(Clock.now < end, "it did not happen in a minute", sourceLocation: sourceLocation)
            try anton.loop.turn(limit: .milliseconds(1))
            try berta.loop.turn(limit: .milliseconds(1))
        }
    }

    var isLinked: Bool { anton.link?.isLinked == true && berta.link?.isLinked == true }
    var isSynchronised: Bool {
        anton.status["synchronised"]?.bool == true && berta.status["synchronised"]?.bool == true
    }
}
