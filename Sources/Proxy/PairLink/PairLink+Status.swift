// What the link says about itself.

import Configuration
import Linux
import Replication
import Wire

extension PairLink {
    /// The peer has proved the secret and introduced itself.
    var isLinked: Bool { session.isUp }

    /// Whether this node may claim an address by its knowledge of sessions: it has held all its peer had at least once
    /// since it started, or its peer could not be reached for ``aloneAfter``.
    var isInSync: Bool {
        if wasInSync || session.isInSync { return true }
        guard let unlinkedSince else { return false }
        return Clock.now - unlinkedSince >= Self.aloneAfter
    }

    /// What the peer last said about itself; `nil` without a link.
    var peerFacts: NodeFacts? { session.peerFacts }

    /// Everything an operator asks about the link.
    var status: JSON {
        let now = Clock.now
        let counters = formerCounters + session.counters
        let lag = session.lag(at: now)
        return [
            "peer": .string(peer.name),
            "address": .string("\(SocketAddress(peer.address, port: port))"),
            "role": dials ? "dials" : "listens",
            "linked": JSON(isLinked),
            "in_sync": JSON(isInSync),
            "synchronised": JSON(session.isInSync),
            "lag": ["entries": JSON(lag.updates), "age_ms": JSON(lag.age.wholeMilliseconds)],
            "sent": ["entries": JSON(counters.entriesSent), "bytes": JSON(counters.bytesSent)],
            "received": [
                "entries": JSON(counters.entriesReceived), "bytes": JSON(counters.bytesReceived),
                "applied": JSON(counters.entriesApplied), "repaired": JSON(counters.entriesRepaired),
            ],
            "links": JSON(counters.links),
            "reconnects": JSON(counters.links - min(counters.links, 1)),
            "overruns": JSON(counters.overruns),
            "unknown_frames": JSON(counters.unknownFrames),
            "refusals": .object(sorted(failures) { !PairLinkFailure.losses.contains($0) }),
            "failures": .object(sorted(failures) { PairLinkFailure.losses.contains($0) }),
            "last_error": lastError.map { error in
                [
                    "reason": .string(error.failure.label), "text": .string(error.failure.reason),
                    "ago_ms": JSON((now - error.time).wholeMilliseconds),
                ]
            } ?? .null,
            "unreplicated_tables": .array(
                refusedTables.map { ["name": .string($0.name), "reason": .string(Self.text($0.reason))] }),
            "peer_facts": peerFacts.map(Self.json) ?? .null,
        ]
    }

    private func sorted(_ counts: [String: UInt64], _ isWanted: (String) -> Bool) -> [JSON.Member] {
        counts.filter { isWanted($0.key) }.sorted { $0.key < $1.key }.map { .init($0.key, JSON($0.value)) }
    }

    private static func json(_ facts: NodeFacts) -> JSON {
        [
            "router": .string("\(facts.router)"), "ready": JSON(facts.isReady), "in_sync": JSON(facts.isInSync),
            "step_down_hold_ms": JSON(facts.stepDownHold),
        ]
    }
}

extension PeerCounters {
    /// The sums of both; several sessions are one link.
    static func + (a: PeerCounters, b: PeerCounters) -> PeerCounters {
        var sum = a
        sum.bytesSent += b.bytesSent
        sum.bytesReceived += b.bytesReceived
        sum.entriesSent += b.entriesSent
        sum.entriesReceived += b.entriesReceived
        sum.entriesApplied += b.entriesApplied
        sum.entriesRepaired += b.entriesRepaired
        sum.overruns += b.overruns
        sum.unknownFrames += b.unknownFrames
        sum.links += b.links
        sum.refusals.merge(b.refusals) { $0 + $1 }
        return sum
    }
}
