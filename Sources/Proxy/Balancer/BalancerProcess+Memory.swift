// What handshakes leave behind in the heap, given back to the kernel.

import Linux
import Wire

extension BalancerProcess {
    /// How often it is looked whether handshakes are over.
    private static let memoryInterval: Duration = .seconds(1)
    /// So many handshakes leave something worth the work.
    private static let worthwhileHandshakes: UInt64 = 50

    /// Watches for the end of a crowd: a handshake takes some 30 KB of heap, which the library keeps for the next one. When none
    /// has come for an interval, what is free goes back; from this thread, so that no loop does the work. The loops' threads are asked for
    /// what they keep for themselves, which holds what lies around it, and have an interval to answer.
    func watchMemory() {
        let handshakes = loops.reduce(UInt64(0)) { $0 + $1.counters[.handshakes] + $1.counters[.serverHandshakes] }
        if handshakes == handshakesSeen, handshakes - handshakesTidied >= Self.worthwhileHandshakes {
            handshakesTidied = handshakes
            let asked = Hoards()
            for loop in loops { loop.mailbox.post(.empty(into: asked)) }
            hoards = asked
        } else if let answered = hoards {
            hoards = nil
            answered.free()
            ProcessSelf.returnFreeMemory()
        }
        handshakesSeen = handshakes
        loop.schedule(at: Clock.now + Self.memoryInterval) { [unowned self] in watchMemory() }
    }
}
