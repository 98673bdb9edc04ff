// Ends of sessions get a part of a turn; nobody waits for more of them.

import Linux
import Synchronization
import Testing

@testable import Proxy

@Suite("Waiting ends")
struct EndQueueTests {
    @Test("are served in order, as many in a turn as there is time for, and one at least")
    func order() {
        var queue = EndQueue<Int>()
        queue.begin()
        #expect(queue.hasTime)
        for number in 0..<100 { queue.append(number) }
        var turns: [[Int]] = []
        while !queue.isEmpty {
            var turn: [Int] = []
            while let number = queue.popFirst() {
                turn.append(number)
                queue.charge(30_000)
                // Those that come meanwhile come last.
                if number == 10 { queue.append(100) }
            }
            turns.append(turn)
            queue.begin()
        }
        #expect(turns.map(\.count) == [34, 34, 33])
        #expect(turns.flatMap(\.self) == Array(0...100))
        queue.append(7)
        queue.append(8)
        // One that takes as long as ten turns is the only one of its turn.
        #expect(queue.popFirst() == 7)
        queue.charge(10_000_000)
        #expect(!queue.hasTime && queue.popFirst() == nil && queue.count == 1)
        queue.begin()
        #expect(queue.popFirst() == 8)
    }

    @Test("of a whole crowd: all sessions end, each once, and those that stay are served")
    func crowd() throws {
        let broker = try Broker()
        let rig = try Rig([broker.address], capacity: 1024)
        let staying = try rig.session("staying")
        let leaving = try (0..<400).map { try rig.session("leaving-\($0)") }
        let established = rig.count(.established)
        // The loop stands still while all of them end, and one that stays says something behind them.
        let (isHeld, mayGoOn) = (Gauge(), Gauge())
        rig.post(
            .list(
                SessionListing(loops: 1) {
                    isHeld.add(1)
                    _ = eventually { mayGoOn.value == 1 }
                }))
        #expect(eventually { isHeld.value == 1 })
        for peer in leaving { peer.close() }
        try staying.send([0xC0, 0])
        mayGoOn.add(1)
        #expect(try staying.receive(2) == [0xC0, 0])
        #expect(eventually { rig.gauge(.sessions) == 1 }, "\(rig.gauge(.sessions)) sessions are left")
        #expect(rig.count(.endsPostponed) > 0, "so many at once do not fit into a turn")
        #expect(rig.count(.established) == established && rig.count(.closed) == 400 && rig.count(.clientClosed) == 400)
        try staying.send([0xC0, 0])
        #expect(try staying.receive(2) == [0xC0, 0])
    }
}
