// The operator's step-down, and what came of it.

import Control
import Linux
import VRRP
import Wire

/// Somebody who asked for a step-down.
struct StepDownAsker {
    /// The routers that were active then.
    var routers: [RouterDriver]
    /// Takes the answer.
    var reply: (JSON) -> Void
}

extension VipProcess {
    /// A week, in milliseconds.
    private static let longestStepDown: Int64 = 7 * 86_400_000
    /// Most askers that wait at one time; one more is refused.
    private static let maximumStepDownAskers = 16

    /// Hands the addresses over: the balancer serves on them until the other host does, and then closes its sessions before
    /// they go, so that no client hangs on an address that is elsewhere.
    ///
    /// Answered when it is known what came of it: `handed_over` are the routers that another host has taken; `released`
    /// those that nobody was heard to take, with `force` alone. Without it they are `kept`, and the answer is no.
    func stepDown(_ request: JSON, _ reply: @escaping (JSON) -> Void) {
        var duration: Duration?
        if let milliseconds = request["for_ms"] {
            guard let value = milliseconds.integer, (1...Self.longestStepDown).contains(value) else {
                return reply(Self.refusal("for_ms is a whole number from 1 to \(Self.longestStepDown)"))
            }
            duration = .milliseconds(value)
        }
        let isForced = request["force"]?.bool ?? false
        guard stepDownAskers.count < Self.maximumStepDownAskers else {
            return reply(Self.refusal("\(stepDownAskers.count) ask for a step-down already"))
        }
        prepareRelease(by: .distantFuture) { [weak self] in
            guard let self else { return }
            let active = drivers.filter(\.isActive)
            tellSteppingDown(until: Clock.now + (duration ?? VirtualRouter.Bounds.stepDownHold))
            for driver in drivers { driver.stepDown(for: duration, isForced: isForced) }
            stepDownAskers.append(StepDownAsker(routers: active, reply: reply))
            answerStepDowns()
        }
    }

    /// Answers those whose routers have come to an end with it.
    func answerStepDowns() {
        guard !stepDownAskers.isEmpty else { return }
        let asked = stepDownAskers
        stepDownAskers = asked.filter { $0.routers.contains(where: \.isHandingOver) }
        for asker in asked where !asker.routers.contains(where: \.isHandingOver) {
            asker.reply(Self.outcome(asker.routers))
        }
    }

    private static func outcome(_ routers: [RouterDriver]) -> JSON {
        func names(_ outcome: VirtualRouter.PartingOutcome?) -> [JSON] {
            routers.filter { $0.router.partingOutcome == outcome }.map { .string($0.name) }
        }
        var members = [JSON.Member("handed_over", .array(names(.taken)))]
        // Something else took them from here in that moment: an interface that went down, a balancer that died.
        let released = names(.givenUp) + names(nil)
        if !released.isEmpty { members.append(JSON.Member("released", .array(released))) }
        let kept = names(.keptUntaken)
        guard !kept.isEmpty else { return .object([JSON.Member("ok", true)] + members) }
        let words = kept.compactMap(\.string).joined(separator: ", ")
        return .object(
            [
                JSON.Member("ok", false),
                JSON.Member(
                    "error",
                    .string("nobody takes over, so this host keeps serving: \(words); to leave it to nobody: --force")),
                JSON.Member("kept", .array(kept)),
            ] + members)
    }

    private static func refusal(_ reason: String) -> JSON { ["ok": false, "error": .string(reason)] }
}

extension RouterDriver {
    /// Whether addresses wait for another router to take them.
    fileprivate var isHandingOver: Bool { if case .awaitingSuccessor = router.parting { true } else { false } }
}
