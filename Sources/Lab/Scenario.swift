// What can be measured in a lab.

import Glibc
import Linux
import Wire

/// One kind of accident or act, done several times in one lab.
package enum Scenario: String, CaseIterable, Sendable {
    case hostLoss = "host-loss"
    case split
    case longSplit = "long-split"
    case brokersCut = "brokers-cut"
    case advertsCut = "adverts-cut"
    case sessions
    case stepDown = "step-down"
    case bounce
    case failback
    case crash
    case killVip = "kill-vip"
    case killBalancer = "kill-balancer"
    case crashLoop = "crash-loop"
    case stopBalancer = "stop-balancer"
    case killSupervisor = "kill-supervisor"
    case killKeeper = "kill-keeper"
    case upgrade
    case brokerDeath = "broker-death"
    case brokerSilence = "broker-silence"
    case manyClients = "many-clients"
    case crowdStepDown = "crowd-step-down"
    case reloads
    case resync

    /// What is done and measured, in one sentence.
    package var meaning: String {
        switch self {
        case .hostLoss: "the active host's link is cut; time until a new CONNECT succeeds, overlap after the heal"
        case .split: "a switch isolates the active host, which does not know; the same figures"
        case .longSplit: "the same for so long that the isolated host knows its brokers to be gone; who serves after the heal"
        case .brokersCut: "the active host loses all its brokers; time until the other one serves"
        case .advertsCut: "only the advertisements are lost, one way and both; nobody may take the address"
        case .sessions: "200 persistent clients lose the active host; all must find their session and messages again"
        case .stepDown: "the operator hands the address over; time without service"
        case .bounce: "the address is handed over and straight back; time without service"
        case .failback: "a host comes back and takes the address again; time without service"
        case .crash:
            "all of the daemon on the active host is killed, its unit's ExecStopPost runs; the address must not stay"
        case .killVip: "kill -9 of vip on the active host; time without service"
        case .killBalancer: "kill -9 of the balancer on the active host; nobody may have to reconnect, time without service"
        case .crashLoop: "each balancer on the active host is killed as soon as it is there; the other host must take the address"
        case .stopBalancer: "SIGSTOP of the balancer on the active host; time until the other host serves"
        case .killSupervisor: "kill -9 of the supervisor on the active host; nothing may move, nobody may have to reconnect"
        case .killKeeper: "kill -9 of the process that was started on the active host; the address must not stay there"
        case .upgrade: "another program on the active host, then on the other one; nothing may move, nobody may have to reconnect"
        case .brokerDeath: "kill -9 of a broker; time until its clients are served again, failed new CONNECTs"
        case .brokerSilence: "a broker's host is cut off and nothing tells; the same figures"
        case .manyClients: "5,000 clients at one time through one host"
        case .crowdStepDown: "the operator hands the address over while 5,000 idle clients are connected; all must be told"
        case .reloads: "both hosts read a changed file 10 times a second, 300 times, while clients come and stay"
        case .resync: "a host returns and fetches 100,000 sticky entries"
        }
    }

    /// Runs it `runs` times in a lab of its own.
    package func measure(_ settings: LabSettings, runs: Int, progress: (String) -> Void) throws(LabError) -> Findings {
        var settings = settings
        if self == .failback { settings.preempt = "after 1s" }
        return try Lab.with(settings) { (lab) throws(LabError) in
            progress("\(rawValue): \(meaning)")
            do throws(LabError) { try lab.startPair() } catch { throw LabError("\(error)\n\(lab.logs(30))") }
            var findings = Findings()
            for run in 1...max(1, runs) {
                do throws(LabError) {
                    try lab.settle()
                    try once(lab, &findings)
                } catch {
                    throw LabError("\(rawValue), run \(run): \(error)\n\(lab.logs(30))")
                }
                progress(
                    "  run \(run): "
                        + findings.all.map { "\($0.name) \(Finding.text($0.values.last ?? 0))" }
                        .joined(separator: ", "))
            }
            return findings
        }
    }

    /// One run; the pair is healthy before, and again when this returns.
    package func once(_ lab: Lab, _ findings: inout Findings) throws(LabError) {
        switch self {
        case .hostLoss: try lab.loseHost(&findings)
        case .split: try lab.splitPair(&findings)
        case .longSplit: try lab.splitForLong(&findings)
        case .brokersCut: try lab.cutBrokers(&findings)
        case .advertsCut: try lab.cutAdvertisements(&findings)
        case .sessions: try lab.loseHostWithSessions(200, &findings)
        case .stepDown: try lab.stepDown(&findings)
        case .bounce: try lab.bounce(&findings)
        case .failback: try lab.failBack(&findings)
        case .crash: try lab.crashHost(&findings)
        case .killVip: try lab.killVip(&findings)
        case .killBalancer: try lab.killBalancer(&findings)
        case .crashLoop: try lab.crashAgainAndAgain(&findings)
        case .stopBalancer: try lab.stopBalancer(&findings)
        case .killSupervisor: try lab.killSupervisor(&findings)
        case .killKeeper: try lab.killKeeper(&findings)
        case .upgrade: try lab.upgradePair(&findings)
        case .brokerDeath: try lab.loseBroker(&findings)
        case .brokerSilence: try lab.silenceBroker(&findings)
        case .manyClients: try lab.carryMany(5000, &findings)
        case .crowdStepDown: try lab.stepDownCrowd(5000, &findings)
        case .reloads: try lab.reloadUnderTraffic(300, &findings)
        case .resync: try lab.resync(100_000, &findings)
        }
    }
}
