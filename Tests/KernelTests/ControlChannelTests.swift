// The channel between supervisor and child over real sockets.

import Control
import Linux
import Testing
import Wire

@Suite("A control channel")
struct ControlChannelTests {
    /// Both ends on one loop.
    private final class Ends {
        let loop: EventLoop
        let supervisor: ControlChannel<ChildMessage, SupervisorMessage>
        let child: ControlChannel<SupervisorMessage, ChildMessage>
        var atSupervisor: [ChildMessage] = []
        var atChild: [SupervisorMessage] = []
        var contents: [String] = []
        var ending: ControlChannel<ChildMessage, SupervisorMessage>.Ending?

        init() throws {
            loop = try EventLoop()
            let pair = try Socket.messagePair()
            supervisor = try ControlChannel(pair.first.duplicate(), on: loop)
            child = try ControlChannel(pair.second.duplicate(), on: loop)
            supervisor.onMessage = { [unowned self] message, _ in atSupervisor.append(message) }
            supervisor.onClosed = { [unowned self] ending in self.ending = ending }
            child.onMessage = { [unowned self] message, descriptors in
                atChild.append(message)
                for place in 0..<descriptors.count {
                    guard let file = descriptors.take(place),
                        let bytes = try? Memfd.contents(file.number, limit: 1000)
                    else { continue }
                    contents.append(String(decoding: bytes, as: UTF8.self))
                }
            }
        }

        /// Turns the loop until `done`; a turn that brings nothing for two seconds fails the test.
        func turn(until done: () -> Bool) throws {
            let limit = Clock.now + .seconds(2)
            while !done() {
                try #require(Clock.now < limit, "nothing came")
                try loop.turn(limit: .milliseconds(100))
            }
        }
    }

    @Test("carries orders with their descriptors, in order")
    func descriptors() throws {
        let ends = try Ends()
        let a = try Memfd.sealed(name: "a", Array("first".utf8))
        let b = try Memfd.sealed(name: "b", Array("second".utf8))
        let names: [DescriptorName] = [.listener("mqtt", bind: 0, loop: 1), .table("sessions")]
        #expect(ends.supervisor.send(.descriptors(names), [a.number, b.number]))
        #expect(ends.supervisor.send(.commit(generation: 3)))
        try ends.turn { ends.atChild.count == 2 }
        #expect(ends.atChild == [.descriptors(names), .commit(generation: 3)])
        #expect(ends.contents == ["first", "second"])
    }

    @Test("carries a long answer in a sealed memfd")
    func longAnswer() throws {
        let ends = try Ends()
        let answer = JSON.array((0..<20_000).map { JSON.string("client-\($0)") })
        #expect(ends.child.send(.reply(id: 7, answer: answer)))
        try ends.turn { !ends.atSupervisor.isEmpty }
        #expect(ends.atSupervisor == [.reply(id: 7, answer: answer)])
    }

    @Test("queues what a slow receiver does not take, with its descriptors, and delivers it in order")
    func slowReceiver() throws {
        let ends = try Ends()
        let text = String(repeating: "x", count: 30_000)
        let file = try Memfd.sealed(name: "late", Array("late".utf8))
        for id in 0..<40 {
            #expect(ends.supervisor.send(.query(id: UInt64(id), request: .string(text))))
        }
        #expect(ends.supervisor.send(.vipLink, [file.number]))
        #expect(ends.supervisor.sent < 41)
        try ends.turn { ends.atChild.count == 41 }
        #expect(ends.atChild.last == .vipLink)
        #expect(ends.atChild.prefix(40).map(\.descriptorCount).allSatisfy { $0 == 0 })
        #expect(
            ends.atChild.prefix(40).enumerated().allSatisfy {
                $0.element == .query(id: UInt64($0.offset), request: .string(text))
            })
        #expect(ends.contents == ["late"])
    }

    @Test("says no when its queue is full, and counts it")
    func overflow() throws {
        let ends = try Ends()
        let long = JSON.string(String(repeating: "x", count: 40_000))
        var refused = 0
        for id in 0..<2000 {
            let isFilling = id < 20
            if !ends.supervisor.send(.query(id: UInt64(id), request: isFilling ? long : "short")) { refused += 1 }
        }
        #expect(refused > 0)
        #expect(ends.supervisor.overflows == UInt64(refused))
        try ends.turn { ends.atChild.count == 2000 - refused }
    }

    @Test("reports the end of the other process after what it still said")
    func ending() throws {
        let ends = try Ends()
        ends.child.send(.beat)
        ends.child.send(.state("going"))
        ends.child.close()
        try ends.turn { ends.ending != nil }
        #expect(ends.atSupervisor == [.beat, .state("going")])
        #expect(ends.ending == .endOfFile)
        #expect(!ends.supervisor.send(.commit(generation: 1)))
    }

    @Test(
        "ends when the other side breaks the form",
        arguments: [
            [9], [1], [1, 99], [1, 65, 0], [1, 68, 0], [2], [1, 69, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x7B],
        ]
            as [[UInt8]])
    func malformed(bytes: [UInt8]) throws {
        let loop = try EventLoop()
        let pair = try Socket.messagePair()
        let channel = try ControlChannel<ChildMessage, SupervisorMessage>(pair.first.duplicate(), on: loop)
        var ending: ControlChannel<ChildMessage, SupervisorMessage>.Ending?
        channel.onClosed = { ending = $0 }
        try UnixSocket.send(pair.second.number, bytes)
        try loop.turn(limit: .seconds(2))
        guard case .refused = ending else {
            Issue.record("\(bytes) ended with \(String(describing: ending))")
            return
        }
        #expect(!channel.isOpen)
    }

    @Test("refuses a body that is not sealed, and descriptors that were not announced")
    func untrustedDescriptors() throws {
        for (bytes, sealed) in [([2], false), ([1, 68], true)] as [([UInt8], Bool)] {
            let loop = try EventLoop()
            let pair = try Socket.messagePair()
            let channel = try ControlChannel<ChildMessage, SupervisorMessage>(pair.first.duplicate(), on: loop)
            var ended = false
            channel.onClosed = { if case .refused = $0 { ended = true } }
            let file =
                sealed ? try Memfd.sealed(name: "body", [68]) : try Memfd.create(name: "body", size: 1)
            try UnixSocket.send(pair.second.number, bytes, descriptors: [file.number])
            try loop.turn(limit: .seconds(2))
            #expect(ended)
        }
    }

    @Test("carries the direct link's beats and notices")
    func link() throws {
        let loop = try EventLoop()
        let pair = try Socket.messagePair()
        let vip = try ControlChannel<BalancerBeat, VipNotice>(pair.first.duplicate(), on: loop)
        let balancer = try ControlChannel<VipNotice, BalancerBeat>(pair.second.duplicate(), on: loop)
        var beats: [BalancerBeat] = []
        var notices: [VipNotice] = []
        vip.onMessage = { beat, _ in beats.append(beat) }
        balancer.onMessage = { notice, _ in notices.append(notice) }
        let beat = BalancerBeat(
            serving: true, settled: false, inSync: true, peerLinked: false, sessions: 1 << 40, usableServers: 3)
        let notice = VipNotice(
            routers: [.init(name: "mqtt", role: .active), .init(name: "other", role: .backup)], steppingDown: true)
        balancer.send(beat)
        vip.send(notice)
        let limit = Clock.now + .seconds(2)
        while beats.isEmpty || notices.isEmpty {
            try #require(Clock.now < limit, "nothing came")
            try loop.turn(limit: .milliseconds(100))
        }
        #expect(beats == [beat])
        #expect(notices == [notice])
        #expect(notice.isActive)
    }
}
