// Many devices on the client host.

import Linux
import MQTT
package import Wire

/// Hundreds to thousands of ``LabClient``s on the lab's loop.
package final class ClientPool {
    /// What the clients of a pool do.
    package struct Settings {
        package var count: Int
        /// Begins the client IDs.
        package var name = "device"
        /// Seconds. A ping goes out every half of it.
        package var keepAlive: UInt16 = 2
        /// A connection on which nothing is heard for this long is given up.
        package var silence: Duration = .seconds(3)
        /// A connection without CONNACK is given up after this long.
        package var attemptLimit: Duration = .seconds(1)
        package var minimumBackoff: Duration = .milliseconds(50)
        package var maximumBackoff: Duration = .seconds(1)
        /// Most clients between connect and CONNACK at one time.
        package var maximumConnecting = 256
        package var target = SocketAddress(LabNetwork.virtualAddress, port: 1883)

        package init(count: Int) { self.count = count }
    }

    private static let tick: Duration = .milliseconds(10)

    package let clients: [LabClient]
    private let lab: Lab
    private let settings: Settings
    private var timer: EventLoop.Timer?
    private var round = 0

    package init(_ lab: Lab, _ settings: Settings) {
        self.lab = lab
        self.settings = settings
        clients = (0..<settings.count).map { LabClient("\(settings.name)-\($0)", settings) }
    }

    /// Begins to connect; clients come back by themselves from now on.
    package func start() { turn() }

    private func turn() {
        let now = Clock.now
        var connecting = 0
        for client in clients {
            client.tick(now)
            if client.state == .connecting || client.state == .subscribing { connecting += 1 }
        }
        round = (round + 1) % max(1, clients.count)
        for offset in 0..<clients.count where connecting < settings.maximumConnecting {
            let client = clients[(round + offset) % clients.count]
            if client.state == .away, client.nextAttempt <= now {
                client.connect(lab.bench, from: lab.client)
                connecting += 1
            }
        }
        timer = lab.bench.loop.schedule(at: now + Self.tick) { [weak self] in self?.turn() }
    }

    /// All leave without a word, and stay away.
    package func stop() {
        lab.bench.loop.cancel(timer)
        timer = nil
        for client in clients { client.abandon() }
    }

    // MARK: Findings

    package var up: Int { clients.count { $0.isUp } }
    package var sessionsPresent: Int { clients.count { $0.isUp && $0.sessionPresent } }

    /// Waits until all are up.
    package func waitUntilUp(limit: Duration) throws(LabError) {
        guard try lab.bench.wait(for: limit, { up == clients.count }) else {
            let reasons = Set(clients.filter { !$0.isUp }.map(\.lastReason)).sorted()
            throw LabError("\(up) of \(clients.count) clients are connected after \(limit.text): \(reasons)")
        }
    }

    /// Waits until all have been accepted again since `before` counted their accepts.
    package func waitUntilBack(since before: [Int], limit: Duration) throws(LabError) {
        let back = { self.clients.indices.count { self.clients[$0].isUp && self.clients[$0].accepts > before[$0] } }
        guard try lab.bench.wait(for: limit, { back() == clients.count }) else {
            throw LabError("\(back()) of \(clients.count) clients came back within \(limit.text)")
        }
    }

    /// Ended connections of each client, to compare with later.
    package var closes: [Int] { clients.map(\.closes) }

    /// Accepts of each client, to compare with later.
    package var accepts: [Int] { clients.map(\.accepts) }
}
