// What a driver tells about its router.

import Control
import Linux
import VRRP
import Wire

extension RouterDriver {
    /// What the balancer is to make of this router. While its addresses wait for the other host they are served.
    var noticedRole: VipNotice.Role {
        switch router.parting {
        case .awaitingSuccessor: return .active
        case .draining: return .leaving
        case nil: break
        }
        return switch router.role {
        case .initialize: .initialize
        case .backup, .claiming: .backup
        case .active: .active
        }
    }

    /// The router's part of the status.
    func report(at now: Instant) -> JSON {
        [
            "name": .string(name),
            "interface": .string(plan.identity.interface),
            "family": .string("\(plan.identity.family)"),
            "version": JSON(plan.settings.version.rawValue),
            "group": JSON(plan.group),
            "authentication": authenticationReport,
            "interface_up": JSON(interface?.isReady ?? false),
            "router_id": JSON(plan.identity.routerID),
            "state": .string(router.role.rawValue),
            "why": .string(router.why(at: now)),
            "since_ms": milliseconds(now - roleSince),
            "priority": JSON(plan.settings.priority),
            "priority_in_force": JSON(router.settings.priority),
            "tracking": tracking.report,
            "probe": probe.report(at: now),
            "interval_ms": milliseconds(plan.settings.interval),
            "source": JSON(router.source?.description),
            "addresses": .array(
                plan.addresses.map { address in
                    [
                        "address": .string(address.prefix.description), "interface": .string(address.device),
                        "claimed": JSON(address.isClaimed), "advertised": JSON(address.isAdvertised),
                        "shown": JSON(keeper.isShown(address)),
                    ]
                }),
            "hooks": hooks.report(at: now),
            "peers": .array(router.peers.map { Self.report($0, at: now) }),
            "counters": counterReport,
            "refusals": .object(
                router.counters.refusals.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                    JSON.Member($0.key.rawValue, JSON($0.value))
                }),
            "refused": history.refusalReport(at: now),
            "other_router_ids": .array(
                strangers.sorted { $0.key < $1.key }.map {
                    [
                        "router_id": JSON($0.key), "count": JSON($0.value.count),
                        "from": .string($0.value.from.description), "age_ms": milliseconds(now - $0.value.at),
                    ]
                }),
            "last_refusal": router.lastRefusal.map {
                [
                    "reason": .string($0.reason.rawValue), "from": .string($0.source.description),
                    "age_ms": milliseconds(now - $0.at),
                ]
            } ?? .null,
        ]
    }

    private var authenticationReport: JSON {
        guard let settings = authentication?.settings else {
            return ["kind": plan.settings.authentication == .none ? "none" : "password"]
        }
        return [
            "kind": "hmac", "mode": .string(settings.mode.rawValue),
            "anti_replay": .string(settings.antiReplay.rawValue),
            "keys": .array(settings.keys.map { JSON($0.id) }), "active_key": JSON(settings.activeKey),
            "clock_difference_s": authentication?.lastClockDifference.map { JSON($0) } ?? .null,
        ]
    }

    private static func report(_ peer: VirtualRouter.Peer, at now: Instant) -> JSON {
        [
            "address": .string(peer.address.description),
            "priority": JSON(peer.priority),
            "interval_ms": milliseconds(peer.interval),
            "age_ms": milliseconds(now - peer.lastHeard),
            "advertisements": JSON(peer.advertisements),
            "checksum": .string(peer.checksumForm.rawValue),
            "addresses_differ": JSON(peer.addressesDiffer),
        ]
    }

    private var counterReport: JSON {
        let counters = router.counters
        return [
            "advertisements_sent": JSON(counters.advertisementsSent),
            "zero_priority_sent": JSON(counters.zeroPrioritySent),
            "send_failures": JSON(counters.sendFailures),
            "advertisements_received": JSON(counters.advertisementsReceived),
            "zero_priority_received": JSON(counters.zeroPriorityReceived),
            "transitions": JSON(counters.transitions),
            "became_active": JSON(counters.becameActive),
            "claims": JSON(counters.claims),
            "claim_failures": JSON(counters.claimFailures),
            "release_failures": JSON(counters.releaseFailures),
            "addresses_lost": JSON(counters.addressesLost),
            "contests": JSON(counters.contests),
            "announcements": JSON(counters.announcements),
            "announcement_failures": JSON(keeper.counters.announcementFailures),
            "renewals": JSON(keeper.counters.renewals),
            "renewal_failures": JSON(keeper.counters.renewalFailures),
            "devices_renewed": JSON(counters.devicesRenewed),
            "announcements_spared": JSON(counters.announcementsSpared),
            "losers_heard": JSON(counters.losersHeard),
            "yields": JSON(counters.yields),
            "stall_yields": JSON(counters.stallYields),
            "stalls": JSON(counters.stalls),
            "late_wakes": JSON(counters.lateWakes),
            "adoptions": JSON(counters.adoptions),
            "priority_changes": JSON(counters.priorityChanges),
            "impaired_hand_overs": JSON(counters.impairedHandOvers),
            "peer_reports": JSON(counters.peerReports),
            "link_waits": JSON(counters.linkWaits),
            "second_path_waits": JSON(counters.secondPathWaits),
            "witness_waits": JSON(counters.witnessWaits),
            "partings": JSON(counters.partings),
            "partings_unseen": JSON(counters.partingsUnseen),
            "drains_cut": JSON(counters.drainsCut),
            "second_path_yields": JSON(counters.secondPathYields),
            "duplicate_holders": JSON(counters.duplicateHolders),
            "senseless_packets": JSON(senselessPackets),
            "unread_judgements": JSON(unreadJudgements),
            "peers_forgotten": JSON(counters.peersForgotten),
        ]
    }
}
