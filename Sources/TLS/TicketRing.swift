// The ticket keys that are good now, derived once and kept until the epoch changes.

import Synchronization

/// Ticket keys by the clock, shared by the loops.
final class TicketRing: Sendable {
    /// Keys of three epochs: the one before, this one, the next.
    private struct Current {
        var epoch: Int64
        var keys: [TicketKeys.Keys]
    }

    private let source: TicketKeys
    private let current: Mutex<Current?> = Mutex(nil)

    /// Seconds by which the clocks of two hosts may differ.
    let skew: Int64 = 3600

    init(_ source: TicketKeys) { self.source = source }

    /// The keys for new tickets.
    ///
    /// - Parameter time: seconds since 1970.
    func sealing(at time: Int64) throws(TLSError) -> TicketKeys.Keys { try keys(at: time)[1] }

    /// The keys a ticket names, and whether new tickets use others by now; `nil` for keys that are not good any more.
    func opening(_ name: [UInt8], at time: Int64) throws(TLSError) -> (keys: TicketKeys.Keys, isCurrent: Bool)? {
        let keys = try keys(at: time)
        guard let index = keys.firstIndex(where: { $0.name == name }) else { return nil }
        return (keys[index], index == 1)
    }

    private func keys(at time: Int64) throws(TLSError) -> [TicketKeys.Keys] {
        let epoch = source.epoch(at: time)
        if let known = current.withLock({ $0?.epoch == epoch ? $0?.keys : nil }) { return known }
        // Derived outside of the lock: another loop may do the same at the same moment, with the same result.
        var keys: [TicketKeys.Keys] = []
        for number in [epoch - 1, epoch, epoch + 1] { keys.append(try source.keys(of: number)) }
        let derived = keys
        current.withLock { $0 = Current(epoch: epoch, keys: derived) }
        return derived
    }
}
