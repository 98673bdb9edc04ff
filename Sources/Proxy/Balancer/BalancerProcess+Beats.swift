// What the balancer says of itself again and again: to the supervisor, and to `vip`.

import Balancing
import Configuration
import Control
import Linux
import Replication
import Telemetry
import Wire

extension BalancerProcess {
    /// Whether every loop turns.
    var isServing: Bool {
        let now = Clock.now
        return isCommitted && areLoopsReady && loops.allSatisfy { $0.isAlive(at: now) }
    }

    func beat() {
        if !areLoopsReady || isServing { control.send(.beat) }
        loop.schedule(at: Clock.now + ChildProcess.beatInterval) { [unowned self] in beat() }
    }

    func beatLink() {
        beatNow()
        loop.schedule(at: Clock.now + ChildProcess.linkBeatInterval) { [unowned self] in beatLink() }
    }

    /// Asks the supervisor for what this process has no right to: that the heartbeat comes before ordinary threads.
    private func makePunctual() {
        let isWanted = configuration?.realtimePriority != nil
        guard let thread = heartbeat.thread, isWanted != isHeartbeatPunctual else { return }
        isHeartbeatPunctual = isWanted
        if isWanted { control.send(.heartbeat(thread: thread)) } else { heartbeat.becomeOrdinary() }
    }

    /// Tells `vip` how things stand, from the first service on: who takes a dead balancer's place is not there yet before it, which
    /// is no news; and to say that it does not serve would cost the address.
    func beatNow() {
        guard let vip else { return }
        if isServing { hasServed = true }
        guard hasServed else { return }
        makePunctual()
        let backends = registry?.activeBackends.map { ($0.name, $0.current) } ?? []
        let usable = backends.map { name, backend in
            BalancerBeat.Backend(name: name, usableServers: UInt32(backend.servers.count { $0.isReachable }))
        }
        let tracked = configuration?.trackedBackends ?? []
        let beat = BalancerBeat(
            serving: isServing, settled: !backends.isEmpty && backends.allSatisfy { $0.1.isSettled },
            inSync: pairLink?.isInSync ?? !isLinkPostponed, peerLinked: pairLink?.isLinked ?? false,
            sessions: UInt64(registry?.listeners.reduce(0) { $0 + max(0, $1.sessions.value) } ?? 0),
            usableServers: usable.reduce(0) { $0 + $1.usableServers },
            backends: Array(usable.filter { tracked.contains($0.name) }.prefix(BalancerBeat.maximumBackends)),
            peer: peerReport, drained: isLeaving && hasDrained)
        heartbeat.say(ControlChannel<VipNotice, BalancerBeat>.datagram(of: beat), at: Clock.now)
        vip.send(beat)
    }

    /// The supervisor has made a link to `vip`, perhaps another one.
    func linkVip(_ end: consuming FileDescriptor) {
        vip?.close()
        do {
            heartbeat.follow(try end.duplicate())
            let channel = try ControlChannel<VipNotice, BalancerBeat>(end, on: loop)
            channel.onMessage = { [unowned self] notice, _ in heard(notice) }
            channel.onClosed = { [unowned self] _ in
                vip = nil
                heartbeat.follow(nil)
            }
            vip = channel
            beatNow()
        } catch {
            log.error("the link to vip cannot be used", ["error": "\(error)"])
        }
    }
}
