// The other host: the secret the two share, and the link between them.

import Balancing
import Configuration
import Control
import Linux
import Replication
import TLS
import Telemetry
import Wire

extension BalancerProcess {
    /// The key of the tables' hashes: from the pair's secret, so that both hosts agree on it; drawn at random on a host
    /// that is alone.
    func tableKey() throws(Registry.Refusal) -> StickTable.HashKey {
        guard let secret = try pairSecret() else {
            // The shard of an entry follows from it: a successor must find the same.
            let key = survival.state.hashKey
            return StickTable.HashKey(key.0, key.1)
        }
        do {
            let key = try secret.tableHashKey()
            return StickTable.HashKey(key.0, key.1)
        } catch {
            throw Registry.Refusal(reason: "the stick tables' key cannot be derived: \(error)")
        }
    }

    /// The secret the supervisor handed over; `nil` on a host that is alone.
    func pairSecret() throws(Registry.Refusal) -> PairSecret? {
        guard let number = descriptor(.pairSecret) else { return nil }
        do {
            return try PairSecret(parsing: try Memfd.contents(number, limit: PairSecret.maximumFileSize))
        } catch {
            throw Registry.Refusal(reason: "the pair secret: \(error)")
        }
    }

    /// Until the next try when the kernel has nothing for the link.
    private static let linkPause: Duration = .seconds(1)

    /// Links with the other host, or goes on with the link there is. What the kernel refuses is said and tried again: clients are
    /// served without the link, too.
    func startPairLink(_ configuration: Configuration) {
        let tables = (registry?.tables ?? []).filter(\.settings.replicates)
        guard let local = configuration.local, let peer = configuration.peer, let pair = configuration.pair,
            let secret = try? pairSecret()
        else {
            tableNews.want(false)
            isLinkPostponed = false
            pairLink?.close()
            pairLink = nil
            return
        }
        tableNews.want(true)
        // Its first look is at every entry: with a large table that was not opened yet, this thread would be taken for dead.
        isLinkPostponed = !tables.allSatisfy(\.isOpen)
        guard !isLinkPostponed else { return }
        if let pairLink {
            pairLink.replaceTables(tables)
            return
        }
        do {
            let link = try PairLink(
                on: loop, log: log, local: local, peer: peer, port: pair.port, secret: secret, tables: tables
            ) { [unowned self] in facts }
            link.changed = { [unowned self] in beatNow() }
            link.start()
            pairLink = link
        } catch {
            log.error("The link of the pair cannot be opened.", ["error": "\(error)"])
            loop.schedule(at: Clock.now + Self.linkPause) { [unowned self] in
                if pairLink == nil, let configuration = self.configuration { startPairLink(configuration) }
            }
        }
    }

    /// What the other host should know about this one.
    private var facts: NodeFacts {
        var facts = NodeFacts()
        let roles = notice?.routers.map(\.role) ?? []
        facts.router =
            roles.contains(.active)
            ? .active : roles.contains(.backup) ? .backup : roles.isEmpty ? .unknown : .initialize
        facts.isReady = isServing
        if let notice {
            facts.reportNumber = UInt64(clamping: notice.time.nanoseconds)
            facts.reportAge = UInt64(clamping: (Clock.now - notice.time).nanoseconds / 1000)
            facts.routers = notice.reports
        }
        return facts
    }

    /// What the peer's `vip` last said about its routers, for ours; `nil` without a link or a word.
    var peerReport: BalancerBeat.PeerReport? {
        guard let pairLink, pairLink.isLinked, let facts = pairLink.peerFacts, facts.reportNumber > 0 else { return nil }
        let said = Duration.microseconds(Int64(clamping: min(facts.reportAge, 1 << 40)))
        return BalancerBeat.PeerReport(
            number: facts.reportNumber, age: said + (Clock.now - pairLink.peerFactsSince),
            routers: Array(facts.routers.prefix(RouterReport.maximum)))
    }
}
