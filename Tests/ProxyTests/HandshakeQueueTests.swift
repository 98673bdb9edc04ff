// Who gets the next step of a handshake.

import Testing

@testable import Proxy

@Suite("Waiting handshakes")
struct HandshakeQueueTests {
    @Test("are served in order, those that have begun first, and those that come meanwhile in their place")
    func order() {
        var queue = HandshakeQueue()
        for index in 1...3 { queue.append(UInt32(index), hasBegun: false) }
        queue.append(10, hasBegun: true)
        #expect(queue.count == 4)
        #expect(queue.popFirst() == 10)
        #expect(queue.popFirst() == 1)
        queue.append(1, hasBegun: true)
        #expect(queue.popFirst() == 1)
        queue.compact()
        #expect(queue.count == 2)
        queue.append(4, hasBegun: false)
        #expect([queue.popFirst(), queue.popFirst(), queue.popFirst(), queue.popFirst()] == [2, 3, 4, nil])
        queue.compact()
        #expect(queue.isEmpty)
    }

    @Test("that have begun and never end keep no new one out")
    func endless() {
        var queue = HandshakeQueue()
        for index in 1...3 { queue.append(UInt32(index), hasBegun: true) }
        queue.append(100, hasBegun: false)
        queue.append(101, hasBegun: false)
        var order: [UInt32] = []
        while order.last != 101, order.count < 100, let index = queue.popFirst() {
            order.append(index)
            if index < 100 { queue.append(index, hasBegun: true) }
            queue.compact()
        }
        #expect(order.count == 2 * HandshakeQueue.longestRow + 2)
        #expect(order.firstIndex(of: 100) == HandshakeQueue.longestRow)
        // In the order in which they came, all the same.
        #expect(order.prefix(6) == [1, 2, 3, 1, 2, 3])
    }
}
