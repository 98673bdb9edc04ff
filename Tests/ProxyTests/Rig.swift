// A data plane in this process: loops on threads, listeners on loopback, and what must hold when a test is over.

import Balancing
import Configuration
import Linux
import MQTT
import ProxyProtocol
import Synchronization
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

/// Running loops with one listener, one backend and its stick table.
final class Rig {
    let address: SocketAddress
    let backend: BackendRuntime
    let table: TableRuntime
    let loops: [LoopHandle]
    /// What the loops have in memory.
    let memories: [LoopMemory]
    let listener: ListenerRuntime
    /// How often something asked for checks to be looked at.
    let checksMoved = Gauge()
    /// The loops were told to stop, and how many of them have left their listeners.
    private var isFinished = false
    private let isStopped = Gauge()

    init(
        _ servers: [SocketAddress], loops count: Int = 1, capacity: Int = 256, chunkSize: Int = 65_536,
        recordLimit: UInt64 = .max, handshakeShare: Int64 = Loop.Share.handshakeTime, recording: SessionRecording? = nil,
        tls: TLSContext? = nil, serverTLS: TLSContext? = nil, keys: [String: IdentityKey] = [:],
        listener change: (inout Configuration.ListenerSettings) -> Void = { _ in },
        backend changeBackend: (inout Configuration.BackendSettings) -> Void = { _ in },
        answers: [String: NameResolver.Answer] = [:], sources: [SourcePool.Settings] = [],
        others: [BackendRuntime] = [], routes: RouteTable? = nil
    ) throws {
        var tableSettings = Configuration.TableSettings(name: "sessions")
        tableSettings.size = 4096
        let table = TableRuntime(
            number: 0, settings: tableSettings, node: 1, hashKey: StickTable.HashKey(1, 2),
            region: MemoryRegion.allocate(count: TableRuntime.bytes(for: tableSettings)), at: Clock.now, changed: {})
        self.table = table
        var settings = Configuration.BackendSettings(
            name: "emqx",
            servers: servers.enumerated().map { Configuration.ServerSettings(name: "emqx\($0)", address: $1) })
        settings.stickTable = "sessions"
        settings.algorithm = .roundRobin
        changeBackend(&settings)
        let moved = checksMoved
        backend = try BackendRuntime(
            number: 0, settings: settings, answers: answers, sources: sources,
            table: settings.stickTable == nil ? nil : table, tls: serverTLS, seed: 1, at: Clock.now,
            checksMoved: { moved.add(1) })
        (listener, address) = try Rig.listen(
            "mqtt", loops: count, number: 0, routes: routes, tls: tls, keys: keys, change)
        let snapshot = Snapshot(
            listeners: [listener], backends: [backend] + others, tables: [table], recording: recording)
        var started: [LoopHandle] = []
        var memories: [LoopMemory] = []
        for number in 0..<count {
            var memory = try LoopMemory(capacity: capacity, chunkSize: chunkSize)
            memory.recordLimit = recordLimit
            memory.handshakeShare = handshakeShare
            memories.append(memory)
            started.append(try LoopHandle.start(number: number, memory: memory, snapshot: snapshot))
        }
        loops = started
        self.memories = memories
    }

    /// A listener on a port of its own, with one socket for each loop.
    static func listen(
        _ name: String, loops: Int, number: UInt16, at host: IPAddress = .v4(IPv4Address(127, 0, 0, 1)), routes: RouteTable? = nil,
        tls: TLSContext? = nil, keys: [String: IdentityKey] = [:],
        _ change: (inout Configuration.ListenerSettings) -> Void = { _ in }
    ) throws -> (ListenerRuntime, SocketAddress) {
        var sockets: [Int32] = []
        var address = SocketAddress(host, port: 0)
        for _ in 0..<loops {
            let socket = try Socket.listen(address, backlog: 4096, reusePort: true).release()
            address = try #require(Socket.localAddress(socket))
            sockets.append(socket)
        }
        var settings = Configuration.ListenerSettings(name: name, binds: [address], backend: "emqx")
        // Longer than a busy machine takes; tests of the time say their own.
        settings.proxyTimeout = .seconds(60)
        change(&settings)
        let listener = ListenerRuntime(
            number: number, settings: settings, sockets: [sockets], backend: 0, routes: routes, isActive: true,
            sessions: nil, identity: IdentityPolicy(settings.rewriting, keys: keys), tls: tls)
        return (listener, address)
    }

    /// A client that is connected, from an address of its own if one is given.
    func client(from source: IPAddress? = nil) throws -> Peer { try Peer(to: address, from: source) }

    /// A client that was let in.
    func session(_ clientID: String, _ version: ProtocolVersion = .v311, keepAlive: UInt16 = 0) throws -> Peer {
        let peer = try client()
        try peer.send(try connect(clientID, version, keepAlive: keepAlive))
        let answer = try peer.receive(accepted(version).count)
        #expect(answer == accepted(version), "\(clientID)")
        return peer
    }

    /// Ends the loops and gives back what in the daemon outlives the process. Mappings stay: a loop may still use them.
    deinit {
        // Sessions a test has left open end now.
        post(.cut)
        finishNow()
        let isGone = isStopped
        if !eventually({ isGone.value == loops.count }) { Issue.record("the loops did not stop") }
        for socket in listener.sockets.flatMap(\.self) { Descriptor.close(socket) }
        for memory in memories {
            let record = memory.record
            for file in [record.slots, record.chunks, record.edges, record.keys, record.secrets, record.events] { Descriptor.close(file) }
        }
    }

    func post(_ command: LoopCommand) { for loop in loops { loop.mailbox.post(command) } }

    /// Waits until every loop has done what was asked before.
    func barrier(_ location: SourceLocation = #_sourceLocation) {
        let isDone = Gauge()
        post(.list(SessionListing(loops: loops.count) { isDone.add(1) }))
        #expect(eventually { isDone.value == 1 }, sourceLocation: location)
    }

    /// The established sessions, as `clients` lists them.
    func listing() throws -> [SessionListing.Session] {
        let isDone = Gauge()
        let listing = SessionListing(loops: loops.count) { isDone.add(1) }
        post(.list(listing))
        try #require(eventually { isDone.value == 1 })
        return listing.sessions
    }

    // MARK: Counts

    func count(_ counter: ProxyCounter) -> UInt64 { loops.reduce(0) { $0 + $1.counters[counter] } }
    func count(_ violation: Violation) -> UInt64 { loops.reduce(0) { $0 + $1.counters[violation] } }
    func count(_ violation: ProxyViolation) -> UInt64 { loops.reduce(0) { $0 + $1.counters[violation] } }
    func count(_ cause: EndCause) -> UInt64 { loops.reduce(0) { $0 + $1.counters[cause] } }
    func count(_ violation: RecordViolation) -> UInt64 { loops.reduce(0) { $0 + $1.counters[violation] } }
    func count(_ violation: FrameViolation) -> UInt64 { loops.reduce(0) { $0 + $1.counters[violation] } }
    func count(_ reason: UpgradeRefusal.Reason) -> UInt64 { loops.reduce(0) { $0 + $1.counters[reason] } }
    func gauge(_ gauge: ProxyGauge) -> Int { loops.reduce(0) { $0 + Int($1.counters[gauge]) } }

    /// Waits until a counter stands at a value.
    func reaches(
        _ counter: ProxyCounter, _ value: UInt64, _ location: SourceLocation = #_sourceLocation
    ) {
        let isThere = eventually { count(counter) >= value }
        #expect(isThere && count(counter) == value, "\(counter.name) is \(count(counter))", sourceLocation: location)
    }

    /// Waits until a cause has ended so many sessions.
    func reaches(_ cause: EndCause, _ value: UInt64, _ location: SourceLocation = #_sourceLocation) {
        let isThere = eventually { count(cause) >= value }
        #expect(isThere && count(cause) == value, "\(cause.name) is \(count(cause))", sourceLocation: location)
    }

    /// Sessions each server carries.
    var loads: [Int] { backend.current.servers.map(\.connections) }

    var connectedEntries: Int { table.shards.reduce(0) { $0 + $1.table.withLock { $0.connectedCount } } }

    /// Which server's index the stick table names for a client.
    func stuck(_ clientID: String) -> Int? {
        guard let server = table.entry(id(clientID), at: Clock.now)?.server else { return nil }
        return backend.current.index(of: server)
    }

    // MARK: The end

    /// Waits until every session is over, and expects that everything was given back.
    func settles(_ location: SourceLocation = #_sourceLocation) {
        let isEmpty = eventually { gauge(.sessions) == 0 && count(.accepted) == count(.closed) }
        #expect(isEmpty, "\(gauge(.sessions)) sessions are left", sourceLocation: location)
        #expect(count(.accepted) == count(.closed), sourceLocation: location)
        let isSettled = eventually { gauge(.chunks) == 0 }
        #expect(isSettled, "\(gauge(.chunks)) chunks are held", sourceLocation: location)
        #expect(loads.allSatisfy { $0 == 0 }, "loads \(loads)", sourceLocation: location)
        #expect(listener.sessions.value == 0, sourceLocation: location)
        #expect(connectedEntries == 0, sourceLocation: location)
    }

    /// Ends the loops with whatever sessions there are.
    func finishNow() {
        guard !isFinished else { return }
        isFinished = true
        let gone = isStopped
        for loop in loops { loop.mailbox.post(.stop, .passed(Fence(loops: 1) { gone.add(1) })) }
    }

    /// Waits as ``settles(_:)``, then ends the loops.
    func finish(_ location: SourceLocation = #_sourceLocation) {
        settles(location)
        finishNow()
    }
}
