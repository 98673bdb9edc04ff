// The supervisor's decisions when the configuration or the balancer is replaced, on virtual time.

import Control
import Supervisor
import Testing
import Wire

@Suite("A supervision with something to replace")
struct SupervisionReloadTests {
    @Test("commits when every child is prepared, and answers when every child serves")
    func reload() {
        var dialogue = SupervisionDialogue.serving
        #expect(
            dialogue.tell(.reload(roles: [.balancer, .vip], generation: 2)) == [
                .prepare(.balancer, generation: 2), .prepare(.vip, generation: 2),
            ])
        #expect(dialogue.tell(.prepared(.vip, generation: 2)) == [])
        #expect(
            dialogue.tell(.prepared(.balancer, generation: 2)) == [
                .commit(.balancer, generation: 2), .commit(.vip, generation: 2),
            ])
        #expect(dialogue.tell(.serving(.vip, generation: 2)) == [])
        #expect(
            dialogue.tell(.serving(.balancer, generation: 2)) == [.reloadEnded(.committed(generation: 2))])
        #expect(dialogue.supervision.generation == 2)
        #expect(dialogue.tell(.exited(.vip, how: "signal 9")).contains(.spawn(.vip, generation: 2)))
    }

    @Test("cancels everywhere when one child refuses")
    func refusal() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.reload(roles: [.balancer, .vip], generation: 2))
        dialogue.tell(.prepared(.vip, generation: 2))
        #expect(
            dialogue.tell(.refused(.balancer, generation: 2, reason: "port taken")) == [
                .cancel(.balancer, generation: 2), .cancel(.vip, generation: 2),
                .reloadEnded(.refused(generation: 2, reason: "port taken")),
            ])
        #expect(dialogue.supervision.generation == 1)
        #expect(!dialogue.supervision.isReloading)
        // Late answers mean nothing.
        #expect(dialogue.tell(.prepared(.vip, generation: 2)) == [])
    }

    @Test("cancels when a child does not answer, or dies over it")
    func unanswered() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.reload(roles: [.balancer, .vip], generation: 2))
        dialogue.tell(.prepared(.vip, generation: 2))
        let actions = dialogue.live(Supervision.Limits.reload)
        #expect(actions.contains(.cancel(.vip, generation: 2)))
        #expect(
            actions.contains(
                .reloadEnded(.refused(generation: 2, reason: "balancer did not answer within 10s"))))
        dialogue.tell(.reload(roles: [.balancer, .vip], generation: 3))
        let death = dialogue.tell(.exited(.balancer, how: "signal 11"))
        #expect(death.contains(.cancel(.vip, generation: 3)))
        #expect(
            death.contains(
                .reloadEnded(.refused(generation: 3, reason: "balancer ended while it prepared: signal 11"))))
        #expect(death.contains(.spawn(.balancer, generation: 1)))
    }

    @Test("starts a child that the new configuration wants, and stops one that it does not")
    func roles() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.reload(roles: [.balancer], generation: 2))
        #expect(
            dialogue.tell(.prepared(.balancer, generation: 2)) == [
                .commit(.balancer, generation: 2), .stop(.vip, deadline: .zero + Supervision.Limits.stop),
            ])
        #expect(
            dialogue.tell(.serving(.balancer, generation: 2)) == [.reloadEnded(.committed(generation: 2))])
        #expect(dialogue.tell(.exited(.vip, how: "exit status 0")) == [])
        dialogue.tell(.reload(roles: [.balancer, .vip], generation: 3))
        #expect(
            dialogue.tell(.prepared(.balancer, generation: 3)) == [
                .commit(.balancer, generation: 3), .spawn(.vip, generation: 3), .link,
            ])
    }

    @Test("starts a child that could not live with the old configuration by the new one")
    func mending() {
        var dialogue = SupervisionDialogue.serving
        for _ in 0..<4 { dialogue.tell(.exited(.vip, how: "exit status 1")); _ = dialogue.live(.seconds(6)) }
        dialogue.tell(.exited(.vip, how: "exit status 1"))
        #expect(dialogue.supervision.phase(.vip) == "waiting")
        dialogue.tell(.reload(roles: [.balancer, .vip], generation: 2))
        #expect(
            dialogue.tell(.prepared(.balancer, generation: 2)) == [
                .commit(.balancer, generation: 2), .spawn(.vip, generation: 2), .link,
            ])
    }

    @Test("replaces a child that promised and could not keep it")
    func brokenPromise() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.reload(roles: [.balancer, .vip], generation: 2))
        dialogue.tell(.prepared(.vip, generation: 2))
        dialogue.tell(.prepared(.balancer, generation: 2))
        dialogue.tell(.serving(.balancer, generation: 2))
        #expect(
            dialogue.tell(.refused(.vip, generation: 2, reason: "no such device")) == [
                .report(.refusedToStart(.vip, reason: "no such device")), .kill(.vip),
            ])
        let death = dialogue.tell(.exited(.vip, how: "signal 9"))
        #expect(death.first == .reloadEnded(.committed(generation: 2)))
        #expect(death.contains(.spawn(.vip, generation: 2)))
    }

    @Test("refuses a reload that a stop overtakes")
    func stopDuringReload() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.reload(roles: [.balancer, .vip], generation: 2))
        #expect(
            dialogue.tell(.stop).prefix(3) == [
                .cancel(.balancer, generation: 2), .cancel(.vip, generation: 2),
                .reloadEnded(.refused(generation: 2, reason: "the daemon is stopping")),
            ])
    }

    @Test("a held balancer is followed: it is prepared anew and linked, and no other is started")
    func succession() {
        var dialogue = SupervisionDialogue.serving
        #expect(
            dialogue.tell(.orphaned(.balancer, how: "signal 11")) == [.report(.ended(.balancer, how: "signal 11"))])
        #expect(!dialogue.supervision.isLive(.balancer))
        #expect(
            dialogue.tell(.succeeded(.balancer)) == [
                .report(.succeeded(.balancer)), .prepare(.balancer, generation: 1), .link,
            ])
        #expect(dialogue.tell(.prepared(.balancer, generation: 1)) == [.commit(.balancer, generation: 1)])
        #expect(dialogue.tell(.serving(.balancer, generation: 1)) == [])
        #expect(dialogue.supervision.isServing(.balancer))
        #expect(dialogue.supervision.restarts(.balancer) == 1)
    }

    @Test("a successor that does not come is replaced by a balancer without inheritance", arguments: [true, false])
    func noSuccessor(isChannelLost: Bool) {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.orphaned(.balancer, how: "signal 11"))
        var actions = isChannelLost ? dialogue.tell(.channelLost(.balancer)) : []
        while actions.isEmpty, dialogue.now < .zero + .seconds(60) {
            dialogue.tell(.beat(.vip))
            dialogue.wait(.milliseconds(500))
            if let deadline = dialogue.supervision.nextDeadline, deadline <= dialogue.now {
                actions = dialogue.tell(.timeout)
            }
        }
        #expect(actions.contains(.abandon(.balancer)) && actions.contains(.spawn(.balancer, generation: 1)), "\(actions)")
        #expect(dialogue.tell(.succeeded(.balancer)) == [])
    }

    @Test("a row of successors that gave up counts as a crash loop: the next start waits, and the reason is kept")
    func rowGivenUp() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.orphaned(.balancer, how: "signal 11"))
        #expect(dialogue.tell(.gaveUp(.balancer, reason: "8 died")) == [])
        let actions = dialogue.tell(.channelLost(.balancer))
        #expect(actions.contains(.report(.restarting(.balancer, after: .seconds(1)))), "\(actions)")
        #expect(!actions.contains(.spawn(.balancer, generation: 1)))
        #expect(dialogue.supervision.lastEnding(.balancer) == "8 died")
        dialogue.tell(.beat(.vip))
        dialogue.wait(.milliseconds(900))
        dialogue.tell(.beat(.vip))
        dialogue.wait(.milliseconds(200))
        #expect(dialogue.tell(.timeout).contains(.spawn(.balancer, generation: 1)))
    }

    @Test("a stop while a successor is awaited waits for nobody")
    func stopDuringSuccession() {
        var dialogue = SupervisionDialogue.serving
        dialogue.tell(.orphaned(.balancer, how: "signal 11"))
        let actions = dialogue.tell(.stop)
        #expect(actions.contains(.abandon(.balancer)))
        #expect(dialogue.tell(.exited(.vip, how: "exit status 0")).contains(.finished(status: 0)))
    }
}
