// Answers the operator: what the supervisor knows itself, what it asks its children, what it hands to them.

import Configuration
import Control
import Linux
import TLS
import Telemetry
import Wire

extension SupervisorProcess {
    /// A child that has not answered by then is reported as silent.
    private static let questionTime: Duration = .milliseconds(800)
    /// How often an order about a server is repeated to a balancer that does not answer, and how long after the last time.
    static let orderTries = 20
    private static let noAddress = "this daemon manages no virtual address"
    private static let orderPause: Duration = .milliseconds(200)

    /// Answers one request of the admin socket: `{"command": NAME, …}`.
    ///
    /// - `status`: everything about this host. `reload`: answered when it is committed or refused. `stop`: answered when
    ///   everything has ended.
    /// - `upgrade` (`program`, `drain`): answered by the program that goes on, whichever it is.
    /// - `history` (`router`) goes to `vip`. `step-down` (`for_ms`, `force`) is answered by it on this very connection when it
    ///   is known who has the addresses, and so is `events`: one JSON value a line for each change of role, until the asker
    ///   closes.
    /// - `drain` (`server`, `rate`), `enable`, `disable` (`server`) and `weight`
    ///   (`server`, `weight`) go to the balancer.
    /// - `clients` (`server`) and `table` (`table`, `key`, `clear`, `set`) are answered by the balancer on this very
    ///   connection: one JSON value a line, the last one with `ok`.
    func answer(_ request: JSON, _ connection: AdminConnection) {
        let command = request["command"]?.string ?? ""
        if !["status", "clients", "history", "events"].contains(command) { log.notice("An operator asks.", ["command": command]) }
        switch command {
        case "status": answerStatus(connection)
        case "reload": reload(connection)
        case "upgrade": upgrade(request, connection)
        case "stop":
            stopAskers.append(connection)
            isEndOrdered = true
            stop()
        case "step-down":
            guard supervision.phase(.vip) != "off" else { return connection.answer(AdminConnection.refusal(Self.noAddress)) }
            hand(request, to: .vip, connection)
        case "history": pass(request, to: .vip, connection)
        case "events": hand(request, to: .vip, connection)
        case "drain", "enable", "disable", "weight": pass(request, to: .balancer, connection)
        case "clients", "table": hand(request, to: .balancer, connection)
        default: connection.answer(AdminConnection.refusal("there is no command \"\(command)\""))
        }
    }

    // MARK: To a child

    private func pass(_ request: JSON, to role: ChildProcess.Role, _ connection: AdminConnection) {
        guard supervision.phase(role) != "off" else {
            let reason = role == .vip ? Self.noAddress : "there is no \(role.rawValue)"
            return connection.answer(AdminConnection.refusal(reason))
        }
        ask(role, request) { [unowned self] answer in
            guard case .object(let members) = answer else {
                return connection.answer(AdminConnection.refusal("\(role.rawValue) does not answer"))
            }
            // The answer says whether it was done; where a child only says what went wrong, that is a no.
            let isDone = answer?["ok"]?.bool ?? (answer?["error"] == nil)
            let rest = members.filter { $0.name != "ok" }
            if isDone, role == .balancer {
                orders.add(request)
                leave()
            }
            connection.answer(.object([JSON.Member("ok", JSON(isDone))] + rest))
        }
    }

    private func hand(_ request: JSON, to role: ChildProcess.Role, _ connection: AdminConnection) {
        guard supervision.isServing(role), let child = children[role] else {
            return connection.answer(AdminConnection.refusal("the \(role.rawValue) is \(supervision.phase(role))"))
        }
        connection.handOver { child.channel.send(.admin(request: request), [$0]) }
    }

    /// Asks a child; `done` is called once, with `nil` when it does not answer in time.
    private func ask(_ role: ChildProcess.Role, _ request: JSON, _ done: @escaping (JSON?) -> Void) {
        guard supervision.isLive(role), let child = children[role],
            let id = questions.ask(role, done)
        else { return done(nil) }
        loop.schedule(at: Clock.now + Self.questionTime) { [unowned self] in questions.answered(id, nil) }
        if !child.channel.send(.query(id: id, request: request)) { questions.answered(id, nil) }
    }

    /// Tells a balancer that has just begun to serve what operators ordered about servers before it came.
    ///
    /// - Parameters:
    ///   - left: what is still to be told; `nil`: all.
    ///   - tries: how often the first of them may still go without an answer; a balancer that has taken over thousands of
    ///     sessions is busy.
    func repeatOrders(_ left: ArraySlice<JSON>? = nil, tries: Int = orderTries) {
        let all = left ?? orders.all[...]
        guard let order = all.first else { return }
        // One after the other: so many questions may wait for their answers, and no more.
        ask(.balancer, order) { [unowned self] answer in
            // A reload has removed the server.
            if answer?["ok"]?.bool == false { log.notice("An order about a server is void.", ["order": order.text]) }
            // Its successor is told all of them.
            guard supervision.isServing(.balancer) else { return }
            guard answer == nil else { return repeatOrders(all.dropFirst()) }
            if tries <= 1 { log.error("The balancer does not take an order about a server.", ["order": order.text]) }
            loop.schedule(at: Clock.now + Self.orderPause) { [unowned self] in
                tries <= 1 ? repeatOrders(all.dropFirst()) : repeatOrders(all, tries: tries - 1)
            }
        }
    }

    // MARK: Status

    private func answerStatus(_ connection: AdminConnection) {
        let roles = ChildProcess.Role.allCases.sorted().filter { supervision.phase($0) != "off" }
        var answers: [ChildProcess.Role: JSON] = [:]
        var missing = roles.count
        for role in roles {
            ask(role, ["command": "status"]) { [unowned self] answer in
                answers[role] = answer
                missing -= 1
                if missing == 0 { connection.answer(status(answers)) }
            }
        }
        if roles.isEmpty { connection.answer(status([:])) }
    }

    private func status(_ answers: [ChildProcess.Role: JSON]) -> JSON {
        let now = Clock.now
        let configuration = current.loaded.configuration
        return [
            "ok": true,
            "version": .string(settings.layout.version),
            "node": JSON(configuration.node),
            "pid": JSON(kept.words.keeper),
            "supervisor": [
                "pid": JSON(ProcessSelf.pid), "deaths": JSON(kept.words.deaths),
                "last_ending": kept.words.deaths > 0 ? .string(lastSupervisorEnding) : .null,
            ],
            "uptime_ms": JSON((now - started).wholeMilliseconds),
            "configuration": .string(settings.configurationPath),
            "generation": JSON(current.number),
            "reloading": JSON(supervision.isReloading),
            "stopping": JSON(supervision.isStopping),
            "stop_within_ms": JSON(longestEnd.wholeMilliseconds),
            "upgrading": JSON(afterwards == nil ? upgrading?.machine.phase : "draining"),
            "upgrade_problem": JSON(returned),
            "log_records_lost": JSON(log.lostRecords),
            "worst_delay_us": JSON(loop.worstLateness.nanoseconds / 1000),
            "admin_refusals": JSON(admin?.refusals ?? 0),
            "processes": .array(ChildProcess.Role.allCases.sorted().map { describe($0, at: now) }),
            "certificates": .array(current.loaded.tls.reports.map(describe)),
            "certificate_reloads": JSON(certificates.reloads),
            "certificate_problem": JSON(certificates.problem),
            "vip": answers[.vip] ?? .null,
            "balancer": answers[.balancer] ?? .null,
        ]
    }

    private func describe(_ report: TLSFiles.Report) -> JSON {
        [
            "block": .string(report.block), "file": .string(report.path), "subject": .string(report.facts.subject),
            "names": .array(report.facts.alternativeNames.map { .string($0) }),
            "fingerprint": .string(report.facts.fingerprint), "not_after_s": JSON(report.facts.validity.upperBound),
            "days_left": JSON(report.daysLeft(at: Clock.wallMicroseconds / 1_000_000)),
        ]
    }

    private func describe(_ role: ChildProcess.Role, at now: Instant) -> JSON {
        let child = children[role]
        return [
            "role": .string(role.rawValue),
            "phase": .string(supervision.phase(role)),
            "pid": child.map { JSON($0.process.pid) } ?? .null,
            "uptime_ms": child.map { JSON((now - $0.started).wholeMilliseconds) } ?? .null,
            "restarts": JSON(supervision.restarts(role)),
            "crash_loop": JSON(supervision.isCrashLooping(role, at: now)),
            "last_ending": JSON(supervision.lastEnding(role)),
            "state": JSON(child?.state),
        ]
    }
}
