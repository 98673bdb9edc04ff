// Health checks of one backend in a test's hands.

import Balancing
import Configuration
import Linux
import TLS
import Wire

@testable import Proxy

/// A prober with one backend, turned by the test.
final class Checks {
    let backend: BackendRuntime
    private let loop: EventLoop
    private let prober: Prober
    /// Why checks could not be made, as it was told.
    private(set) var told: [String] = []

    init(
        _ servers: [SocketAddress], tls: TLSContext? = nil, webSocket: String? = nil, sources: [SourcePool.Settings] = [],
        _ change: (inout Configuration.CheckSettings) -> Void
    ) throws {
        var settings = Configuration.BackendSettings(
            name: "b", servers: servers.enumerated().map { .init(name: "s\($0.offset)", address: $0.element) })
        settings.check.interval = .milliseconds(40)
        settings.check.timeout = .seconds(5)
        settings.check.rise = 1
        settings.check.fall = 1
        for index in settings.servers.indices { settings.servers[index].webSocket = webSocket.map { .init(target: $0) } }
        change(&settings.check)
        backend = try BackendRuntime(
            number: 0, settings: settings, sources: sources, table: nil, tls: tls, seed: 1, at: Clock.now, checksMoved: {})
        loop = try EventLoop()
        prober = Prober(on: loop, node: "lb1")
        prober.onSkipped = { [unowned self] _, reason, _ in told.append(reason) }
        prober.adopt([backend])
    }

    var status: HealthState.Status { backend.current.servers[0].health.status }
    var last: String? { backend.current.servers[0].lastCheck.map { "\($0.result)" } }

    /// One turn.
    func turn() throws { try loop.turn(limit: .milliseconds(5)) }

    /// Turns until a condition holds.
    func reaches(_ condition: () -> Bool) throws -> Bool {
        let limit = Clock.now + .milliseconds(Int64(Peer.patience))
        while !condition(), Clock.now < limit { try loop.turn(limit: .milliseconds(5)) }
        return condition()
    }
}
