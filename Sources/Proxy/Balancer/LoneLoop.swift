// One loop without a supervisor: for profilers that know nothing of children and holders.

import Balancing
import Configuration
import Linux
package import Wire

/// The data plane alone: one listener, one backend with a stick table, one loop, no checks.
package enum LoneLoop {
    /// Why it cannot begin.
    package struct Refusal: Error, CustomStringConvertible {
        package let description: String
    }

    /// Most sessions.
    private static let capacity = 10_000

    /// Begins to serve on a thread of its own, for as long as the process lives.
    ///
    /// - Throws: what the kernel or the configuration refused.
    package static func start(listening: SocketAddress, server: SocketAddress) throws(Refusal) {
        do {
            let text = """
                listen mqtt { bind \(listening); use servers }
                backend servers { server one \(server); check none; stick on client-id table sessions }
                stick-table sessions { key client-id; size 10k; expire 30m }
                """
            let outcome = Checker.check(Source(name: "relay", text: text), as: .init())
            guard let configuration = outcome.configuration, let listener = configuration.listeners.first,
                let servers = configuration.backends.first, let sessions = configuration.tables.first
            else { throw Refusal(description: outcome.text) }
            let table = TableRuntime(
                number: 0, settings: sessions, node: 1, hashKey: StickTable.HashKey(1, 2),
                region: MemoryRegion.allocate(count: TableRuntime.bytes(for: sessions)), at: Clock.now, changed: {})
            let backend = try BackendRuntime(
                number: 0, settings: servers, table: table, seed: 1, at: Clock.now, checksMoved: {})
            let socket = try Socket.listen(listening, backlog: 4096, reusePort: false).release()
            let runtime = ListenerRuntime(
                number: 0, settings: listener, sockets: [[socket]], backend: 0, isActive: true, sessions: nil,
                identity: IdentityPolicy(listener.rewriting, keys: [:]))
            let snapshot = Snapshot(listeners: [runtime], backends: [backend], tables: [table])
            _ = try LoopHandle.start(number: 0, capacity: capacity, chunkSize: 65_536, snapshot: snapshot)
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal(description: "\(error)")
        }
    }
}
