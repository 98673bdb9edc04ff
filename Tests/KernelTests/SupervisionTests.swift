// The supervisor's decisions about the life of its children, on virtual time.

import Control
import Supervisor
import Testing
import Wire

@Suite("A supervision")
struct SupervisionTests {
    @Test("starts the balancer, then vip when the balancer serves, and is ready when both do")
    func start() {
        var dialogue = SupervisionDialogue()
        #expect(
            dialogue.tell(.start(roles: [.balancer, .vip], generation: 1)) == [.spawn(.balancer, generation: 1)])
        #expect(dialogue.tell(.beat(.balancer)) == [])
        #expect(dialogue.tell(.prepared(.balancer, generation: 1)) == [.commit(.balancer, generation: 1)])
        #expect(dialogue.tell(.serving(.balancer, generation: 1)) == [.spawn(.vip, generation: 1), .link])
        #expect(dialogue.tell(.prepared(.vip, generation: 1)) == [.commit(.vip, generation: 1)])
        #expect(dialogue.tell(.serving(.vip, generation: 1)) == [.ready])
        #expect(dialogue.live(.seconds(60)) == [])
        #expect(dialogue.supervision.phase(.vip) == "serving")
    }

    @Test("of a balancer alone is ready with it")
    func alone() {
        var dialogue = SupervisionDialogue()
        dialogue.tell(.start(roles: [.balancer], generation: 1))
        dialogue.tell(.prepared(.balancer, generation: 1))
        #expect(dialogue.tell(.serving(.balancer, generation: 1)) == [.ready])
        #expect(dialogue.tell(.stop) == [.stop(.balancer, deadline: .zero + Supervision.Limits.stop)])
        #expect(dialogue.tell(.exited(.balancer, how: "exit status 0")) == [.finished(status: 0)])
    }

    @Test("gives up when the first configuration is refused")
    func firstRefusal() {
        var dialogue = SupervisionDialogue()
        dialogue.tell(.start(roles: [.balancer, .vip], generation: 1))
        let actions = dialogue.tell(.refused(.balancer, generation: 1, reason: "no memory"))
        #expect(
            actions == [
                .report(.refusedToStart(.balancer, reason: "no memory")),
                .stop(.balancer, deadline: .zero + Supervision.Limits.stop),
            ])
        #expect(dialogue.tell(.exited(.balancer, how: "exit status 0")) == [.finished(status: 1)])
    }

    @Test("a child that is replaced is no death, and its holder's successor none either")
    func replaced() {
        var dialogue = SupervisionDialogue.serving
        #expect(dialogue.tell(.replace(.vip)) == [.replace(.vip)])
        #expect(
            dialogue.tell(.exited(.vip, how: "signal 9")) == [
                .report(.replaced(.vip)), .spawn(.vip, generation: 1), .link,
            ])
        #expect(dialogue.supervision.restarts(.vip) == 0 && dialogue.supervision.lastEnding(.vip) == "signal 9")
        #expect(dialogue.tell(.replace(.balancer)) == [.replace(.balancer)])
        #expect(dialogue.supervision.isReplaced(.balancer))
        #expect(dialogue.tell(.orphaned(.balancer, how: "exit status 75")) == [.report(.replaced(.balancer))])
        #expect(dialogue.supervision.restarts(.balancer) == 0 && !dialogue.supervision.isReplaced(.balancer))
        // What was not replaced after all dies like any other.
        dialogue = SupervisionDialogue.serving
        dialogue.tell(.replace(.balancer))
        dialogue.tell(.keep(.balancer))
        dialogue.tell(.orphaned(.balancer, how: "signal 9"))
        #expect(dialogue.supervision.restarts(.balancer) == 1)
    }

    @Test("what replaces a child and does not serve in time is killed, so that the known program comes back at once")
    func lateReplacement() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.replace(.vip))
        dialogue.tell(.exited(.vip, how: "signal 9"))
        #expect(dialogue.live(.seconds(15)) == [])
        #expect(dialogue.tell(.keep(.vip)) == [.report(.late(.vip)), .kill(.vip)])
        #expect(dialogue.tell(.exited(.vip, how: "signal 9")).contains(.spawn(.vip, generation: 1)))
        // The balancer's holder brings the known one.
        dialogue = SupervisionDialogue.serving
        dialogue.tell(.replace(.balancer))
        dialogue.tell(.orphaned(.balancer, how: "exit status 75"))
        dialogue.tell(.succeeded(.balancer))
        #expect(dialogue.live(.seconds(15)) == [])
        #expect(dialogue.tell(.keep(.balancer)) == [.report(.late(.balancer)), .kill(.balancer)])
        dialogue.tell(.orphaned(.balancer, how: "signal 9"))
        #expect(dialogue.tell(.succeeded(.balancer)).contains(.prepare(.balancer, generation: 1)))
        // One that serves, or has not ended yet, is left alone.
        dialogue = SupervisionDialogue.serving
        #expect(dialogue.tell(.keep(.balancer)) == [])
        #expect(dialogue.tell(.replace(.balancer)) == [.replace(.balancer)])
        #expect(dialogue.tell(.keep(.balancer)) == [])
        #expect(dialogue.supervision.isServing(.balancer))
    }

    @Test("gives vip the time of its hooks, and ends within what it says, though every child hangs")
    func longestEnd() {
        var dialogue = SupervisionDialogue.serving
        dialogue.supervision.vipStop = .seconds(9)
        dialogue.supervision.balancerStop = .seconds(60)
        for drain in [nil, Duration.seconds(60)] {
            var hanging = dialogue
            let longest = hanging.supervision.longestEnd(drain: drain)
            #expect(longest > (drain ?? .zero) + .seconds(69))
            var actions = hanging.tell(drain.map { .drain($0) } ?? .stop)
            while hanging.now < .zero + longest, !actions.contains(.finished(status: 0)) {
                // Who is killed is gone at once.
                if actions.contains(.kill(.vip)) {
                    actions = hanging.tell(.exited(.vip, how: "signal 9"))
                } else if actions.contains(.kill(.balancer)) {
                    actions = hanging.tell(.exited(.balancer, how: "signal 9"))
                } else {
                    if actions.contains(.stop(.vip, deadline: hanging.now + .seconds(9))) { #expect(hanging.now - .zero >= drain ?? .zero) }
                    hanging.wait(.milliseconds(100))
                    actions = hanging.tell(.beat(.balancer)) + hanging.tell(.beat(.vip))
                    if let deadline = hanging.supervision.nextDeadline, deadline <= hanging.now { actions += hanging.tell(.timeout) }
                }
            }
            #expect(actions.contains(.finished(status: 0)))
            #expect(hanging.now - .zero >= (drain ?? .zero) + .seconds(69))
        }
        // A reload that leaves vip out waits for its hooks, too.
        let stop = dialogue.tell(.reload(roles: [.balancer], generation: 2)) + dialogue.tell(.prepared(.balancer, generation: 2))
        #expect(stop.contains(.stop(.vip, deadline: dialogue.now + .seconds(9))))
    }

    @Test("drains before anything else stops; told again, it waits no longer")
    func drains() {
        var dialogue = SupervisionDialogue.serving
        let deadline = dialogue.now + .seconds(10)
        #expect(dialogue.tell(.drain(.seconds(10))) == [.drain(.balancer, deadline: deadline)])
        #expect(dialogue.supervision.isStopping)
        #expect(dialogue.tell(.drain(.seconds(10))) == [])
        // Everything beats on meanwhile, and a vip that dies ends nothing else.
        #expect(dialogue.live(.seconds(5)) == [])
        let stopVip = Supervision.Action.stop(.vip, deadline: dialogue.now + Supervision.Limits.stop)
        var other = dialogue
        #expect(other.tell(.drained(.balancer)) == [stopVip])
        other = dialogue
        #expect(other.tell(.stop) == [stopVip])
        other = dialogue
        #expect(other.tell(.exited(.vip, how: "signal 9")) == [])
        #expect(other.tell(.drained(.balancer)) == [.stop(.balancer, deadline: other.now + Supervision.Limits.stop)])
        other = dialogue
        #expect(other.tell(.exited(.balancer, how: "signal 9")) == [stopVip])
        // A balancer that does not say when it has drained is not waited for.
        var actions: [Supervision.Action] = []
        while actions.isEmpty, dialogue.now < deadline + .seconds(2) { actions = dialogue.live(.milliseconds(100)) }
        #expect(dialogue.now >= deadline + Supervision.Limits.drainGrace)
        #expect(actions == [.stop(.vip, deadline: dialogue.now + Supervision.Limits.stop)])
    }

    @Test("goes on where another program was")
    func resumed() {
        var dialogue = SupervisionDialogue()
        dialogue.supervision = Supervision(
            resuming: [.balancer: (3, "signal 9"), .vip: (0, nil)], wanted: [.balancer, .vip], generation: 7,
            at: dialogue.now)
        #expect(dialogue.supervision.isServing(.balancer) && dialogue.supervision.isServing(.vip))
        #expect(dialogue.supervision.restarts(.balancer) == 3)
        #expect(dialogue.live(.seconds(20)) == [])
        #expect(dialogue.tell(.reload(roles: [.balancer, .vip], generation: 8)).count == 2)
    }

    @Test("starts what is missing where another program was, unless it is told to stop")
    func resumedWithout() {
        var dialogue = SupervisionDialogue()
        dialogue.supervision = Supervision(
            resuming: [.balancer: (0, nil)], wanted: [.balancer, .vip], generation: 7, at: dialogue.now)
        var stopped = dialogue
        #expect(stopped.tell(.stop).map { if case .stop(.balancer, _) = $0 { true } else { false } } == [true])
        dialogue.wait(Supervision.Limits.resumption - .milliseconds(1))
        #expect(dialogue.tell(.timeout) == [])
        dialogue.wait(.milliseconds(1))
        #expect(dialogue.tell(.timeout) == [.spawn(.vip, generation: 7), .link])
        // Without a balancer nobody serves what `vip` would hold.
        var alone = SupervisionDialogue()
        alone.supervision = Supervision(resuming: [:], wanted: [.balancer, .vip], generation: 7, at: alone.now)
        #expect(alone.timeout() == [.spawn(.balancer, generation: 7)])
        alone.tell(.prepared(.balancer, generation: 7))
        #expect(alone.tell(.serving(.balancer, generation: 7)).contains(.spawn(.vip, generation: 7)))
        // One that the configuration in force does not want is dismissed by the next vote.
        var former = SupervisionDialogue()
        former.supervision = Supervision(
            resuming: [.balancer: (0, nil), .vip: (0, nil)], wanted: [.balancer], generation: 7, at: former.now)
        former.tell(.reload(roles: [.balancer], generation: 8))
        #expect(
            former.tell(.prepared(.balancer, generation: 8)) == [
                .commit(.balancer, generation: 8), .stop(.vip, deadline: former.now + Supervision.Limits.stop),
            ])
    }

    // MARK: Death

    @Test("restarts a dead child at once and links it to the other", arguments: [Supervision.Role.balancer, .vip])
    func restart(role: Supervision.Role) {
        var dialogue = SupervisionDialogue.serving
        _ = dialogue.live(.seconds(20))
        #expect(
            dialogue.tell(.exited(role, how: "signal 9")) == [
                .report(.ended(role, how: "signal 9")), .report(.restarting(role, after: .zero)),
                .spawn(role, generation: 1), .link,
            ])
        #expect(dialogue.supervision.restarts(role) == 1)
        #expect(dialogue.tell(.prepared(role, generation: 1)) == [.commit(role, generation: 1)])
        // Ready is said once.
        #expect(dialogue.tell(.serving(role, generation: 1)) == [])
    }

    @Test("waits longer after each death, and calls the last step a crash loop")
    func crashLoop() {
        var dialogue = SupervisionDialogue.serving
        var pauses: [Duration] = []
        for death in 1...8 {
            let actions = dialogue.tell(.exited(.balancer, how: "signal 11"))
            #expect(actions.contains(.report(.crashLoop(.balancer))) == (death == Supervision.Limits.pauses.count))
            for case .report(.restarting(.balancer, let pause)) in actions { pauses.append(pause) }
            if !actions.contains(.spawn(.balancer, generation: 1)) {
                // The other one goes on beating meanwhile.
                while !dialogue.supervision.isLive(.balancer) {
                    dialogue.tell(.beat(.vip))
                    dialogue.wait(.milliseconds(10))
                    dialogue.tell(.timeout)
                }
            }
        }
        #expect(pauses == Supervision.Limits.pauses + Array(repeating: .seconds(5), count: 3))
        #expect(dialogue.supervision.isCrashLooping(.balancer, at: dialogue.now))
        #expect(!dialogue.supervision.isCrashLooping(.vip, at: dialogue.now))
        dialogue.tell(.prepared(.balancer, generation: 1))
        dialogue.tell(.serving(.balancer, generation: 1))
        _ = dialogue.live(Supervision.Limits.stable)
        #expect(!dialogue.supervision.isCrashLooping(.balancer, at: dialogue.now))
        // It is over: the next death is a first one.
        #expect(dialogue.tell(.exited(.balancer, how: "signal 11")).contains(.spawn(.balancer, generation: 1)))
    }

    @Test("kills a child that is silent, and only that one")
    func silence() {
        var dialogue = SupervisionDialogue.serving
        _ = dialogue.live(.seconds(5))
        var actions: [Supervision.Action] = []
        let stalled = dialogue.now
        while actions.isEmpty {
            dialogue.wait(.milliseconds(50))
            dialogue.tell(.beat(.vip))
            actions = dialogue.tell(.timeout)
        }
        #expect(actions == [.report(.silent(.balancer)), .kill(.balancer)])
        #expect(dialogue.now - stalled == Supervision.Limits.silence)
        #expect(dialogue.tell(.exited(.balancer, how: "signal 9")).contains(.spawn(.balancer, generation: 1)))
    }

    @Test("blames nobody when it slept itself")
    func ownStall() {
        var dialogue = SupervisionDialogue.serving
        dialogue.wait(.seconds(30))
        #expect(dialogue.tell(.timeout) == [])
        #expect(dialogue.live(.seconds(5)) == [])
    }

    @Test("kills a child that beats but never serves")
    func late() {
        var dialogue = SupervisionDialogue()
        dialogue.tell(.start(roles: [.balancer], generation: 1))
        #expect(
            dialogue.live(Supervision.Limits.start) == [.report(.late(.balancer)), .kill(.balancer)])
    }

    @Test("kills a child that closed its socket, once")
    func channelLost() {
        var dialogue = SupervisionDialogue.serving
        #expect(dialogue.tell(.channelLost(.vip)) == [.kill(.vip)])
        #expect(dialogue.tell(.channelLost(.vip)) == [])
    }

    @Test("counts no death that lies behind a stable time")
    func longAgo() {
        var dialogue = SupervisionDialogue.serving
        for _ in 0..<10 {
            _ = dialogue.live(Supervision.Limits.stable)
            // The end of its socket is seen before the end of the process.
            dialogue.tell(.channelLost(.vip))
            #expect(dialogue.tell(.exited(.vip, how: "signal 11")).contains(.spawn(.vip, generation: 1)))
            dialogue.tell(.prepared(.vip, generation: 1))
            dialogue.tell(.serving(.vip, generation: 1))
        }
    }

    // MARK: Stopping

    @Test("stops vip first, then the balancer, and kills who does not go")
    func stop() {
        var dialogue = SupervisionDialogue.serving
        let limit = Supervision.Limits.stop
        #expect(dialogue.tell(.stop) == [.stop(.vip, deadline: .zero + limit)])
        #expect(dialogue.tell(.stop) == [])
        #expect(dialogue.tell(.exited(.vip, how: "exit status 0")) == [.stop(.balancer, deadline: .zero + limit)])
        #expect(dialogue.timeout() == [.kill(.balancer)])
        #expect(dialogue.tell(.exited(.balancer, how: "signal 9")) == [.finished(status: 0)])
        #expect(dialogue.supervision.nextDeadline == nil)
    }

    @Test("restarts nobody while it stops")
    func deathWhileStopping() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.stop)
        #expect(dialogue.tell(.exited(.balancer, how: "signal 11")) == [])
        #expect(dialogue.tell(.exited(.vip, how: "exit status 0")) == [.finished(status: 0)])
    }

    @Test("keeps its rules whatever happens", arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func random(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var dialogue = SupervisionDialogue()
        /// Which processes there are, as the kernel knows it.
        var alive: Set<Supervision.Role> = []
        var finished = false
        var generation: UInt64 = 1
        func obey(_ actions: [Supervision.Action]) {
            for action in actions {
                switch action {
                case .spawn(let role, _):
                    #expect(!alive.contains(role), "seed \(seed): two of \(role)")
                    alive.insert(role)
                case .kill(let role), .replace(let role), .stop(let role, _), .prepare(let role, _),
                    .commit(let role, _), .drain(let role, _),
                    .cancel(let role, _):
                    #expect(alive.contains(role), "seed \(seed): \(action) to nobody")
                case .link: #expect(alive.count == 2, "seed \(seed): a link of one end")
                case .finished:
                    #expect(alive.isEmpty, "seed \(seed): children are left behind")
                    finished = true
                case .ready, .reloadEnded, .report, .abandon: break
                }
            }
        }
        obey(dialogue.tell(.start(roles: [.balancer, .vip], generation: 1)))
        for step in 0..<4000 where !finished {
            dialogue.wait(.milliseconds(Int64.random(in: 0...300, using: &generator)))
            if let deadline = dialogue.supervision.nextDeadline, deadline <= dialogue.now {
                obey(dialogue.tell(.timeout))
            }
            let role = Supervision.Role.allCases.randomElement(using: &generator) ?? .balancer
            let some = Bool.random(using: &generator) ? generation : dialogue.supervision.generation
            switch Int.random(in: 0..<13, using: &generator) {
            case 0 where alive.contains(role):
                alive.remove(role)
                obey(dialogue.tell(.exited(role, how: "signal 9")))
            case 10 where alive.contains(role) && role == .balancer:
                alive.remove(role)
                obey(dialogue.tell(.orphaned(role, how: "signal 9")))
            case 11 where dialogue.supervision.phase(.balancer) == "succeeding":
                alive.insert(.balancer)
                obey(dialogue.tell(.succeeded(.balancer)))
            case 12: obey(dialogue.tell(Bool.random(using: &generator) ? .replace(role) : .keep(role)))
            case 1 where alive.contains(role): obey(dialogue.tell(.channelLost(role)))
            case 2 where alive.contains(role) && step > 100:
                obey(dialogue.tell(.refused(role, generation: some, reason: "no")))
            case 3 where !dialogue.supervision.isReloading && step > 20:
                generation += 1
                let roles: Set<Supervision.Role> = Bool.random(using: &generator) ? [.balancer] : [.balancer, .vip]
                obey(dialogue.tell(.reload(roles: roles, generation: generation)))
            case 4, 5,
                6 where alive.contains(role):
                obey(dialogue.tell(.prepared(role, generation: some)))
            case 7, 8,
                9 where alive.contains(role):
                obey(dialogue.tell(.serving(role, generation: some)))
            default: for role in alive { obey(dialogue.tell(.beat(role))) }
            }
        }
        obey(dialogue.tell(.stop))
        for _ in 0..<100 where !finished {
            obey(dialogue.timeout())
            for role in alive {
                alive.remove(role)
                obey(dialogue.tell(.exited(role, how: "signal 9")))
            }
        }
        #expect(finished, "seed \(seed): it does not end")
        #expect(dialogue.supervision.nextDeadline == nil)
    }
}
