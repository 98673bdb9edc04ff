// TLS handshakes, one record at a time and a millisecond in each turn, so that they never stall the other sessions.

import Linux
import Synchronization
import TLS
import WebSocket
import Wire

extension Loop {
    /// What became of a handshake with the bytes at hand; `unfinished`: some are left for the next turns.
    enum Handshake { case waiting, unfinished, done, failed(TLSError) }

    /// Longest record that is waited for, header included (RFC 8446, 5.2).
    private static let longestRecord = 5 + 16_384 + 256
    /// Records between two looks at the clock: honest handshakes have fewer, those cut into single bytes take 2 µs each.
    private static let recordsBetweenLooks = 16
    /// Most records, and most bytes of them, of a handshake before it is done (`limit-handshake`): with the largest certificates that
    /// are taken, and fragments as small as a client may wish (RFC 6066, 4), a few hundred.
    private static let mostRecords: UInt32 = 1024
    private static let mostBytes: UInt64 = 128 << 10

    /// Whether a handshake may take a step in this turn; otherwise it waits for its place in the next ones.
    func mayShakeHands(_ index: UInt32) -> Bool {
        if handshakeTime < handshakeShare { return true }
        postponeHandshake(index)
        return false
    }

    /// Puts a session behind those whose handshakes wait.
    func postponeHandshake(_ index: UInt32) {
        guard !slots[index].isQueued else { return }
        counters.add(.handshakesPostponed)
        slots[index].isQueued = true
        let isUp = slots[index].phase == .securing
        waitingHandshakes.append(index, hasBegun: edges[slots[index].edge][isUp: isUp].progress.consumed > 0)
    }

    /// Serves those that have waited for longest.
    func continueHandshakes() {
        while handshakeTime < handshakeShare, let index = waitingHandshakes.popFirst() {
            guard slots[index].isQueued else { continue }
            // In hand or queued: the slot may be another session's by now, which is continued whoever dies between.
            slots.inHand = index
            atomicMemoryFence(ordering: .acquiringAndReleasing)
            slots[index].isQueued = false
            switch slots[index].phase {
            case .securing: readClientEdge(index, ending: true)
            case .opening: readServerEdge(index, ending: true)
            default: queue(index)
            }
        }
        slots.inHand = 0
        waitingHandshakes.compact()
    }

    /// Gives OpenSSL what has come, one record at a time: what stands behind the last one of the handshake is never shown
    /// to it, so that its state is exactly known when it is done.
    ///
    /// A step ends with the time that handshakes have in a turn, however small the records are: what is left then waits in the input,
    /// and the session with it.
    func shakeHands(_ index: UInt32, isUp: Bool) -> Handshake {
        let edge = slots[index].edge
        guard let session = tls(index, client: isUp) else { return .done }
        let mine = privates(index)
        let (start, spent) = (Clock.now, handshakeTime)
        defer { handshakeTime = spent + (Clock.now - start).nanoseconds }
        var count = 0
        while session.state == .handshaking {
            if count == Self.recordsBetweenLooks {
                count = 0
                if spent + (Clock.now - start).nanoseconds >= handshakeShare, edges[edge][isUp: isUp].pending > 0 {
                    postponeHandshake(index)
                    return .unfinished
                }
            }
            count += 1
            let range = edges[edge][isUp: isUp].pendingRange
            guard !range.isEmpty else { return .waiting }
            let chunk = edges[edge][isUp: isUp].input.chunk
            let size = chunks.size
            var error: TLSError?
            let taken = chunks.withBytes(of: chunk, length: range.upperBound) { bytes -> Int in
                let count = Self.record(bytes.extracting(range), isFull: range.count == size)
                guard count > 0 else { return 0 }
                do throws(TLSError) {
                    try session.receive(bytes.extracting(range.lowerBound..<range.lowerBound + count))
                } catch let failure {
                    error = failure
                }
                return count
            }
            guard taken > 0 else { return .waiting }
            var progress = edges[edge][isUp: isUp].progress
            progress.consumed += UInt64(taken)
            commit(index, isUp: isUp, progress)
            let records = mine.countRecord(client: isUp)
            if error == nil, session.state == .handshaking, records >= Self.mostRecords || progress.consumed >= Self.mostBytes {
                counters.add(.limitHandshake)
                error = TLSError(.malformed, "more records or bytes than any handshake needs")
            }
            if let error {
                counters.add(error.kind, client: isUp)
                return .failed(error)
            }
        }
        return .done
    }

    /// Bytes of the first record; 0 when it is not whole yet. What is no TLS is not waited for.
    private static func record(_ bytes: Span<UInt8>, isFull: Bool) -> Int {
        // RFC 8446, 5.1: content types 20 to 23, then 3 and a minor version.
        guard 20...23 ~= bytes[0], bytes.count < 2 || bytes[1] == 3 else { return bytes.count }
        guard bytes.count >= 5 else { return isFull ? bytes.count : 0 }
        let length = 5 + (Int(bytes[3]) << 8 | Int(bytes[4]))
        guard length <= longestRecord else { return bytes.count }
        return length <= bytes.count ? length : isFull ? bytes.count : 0
    }
}
