// The shortest way of a message: received, sent, forgotten.

import CLinux
import Glibc
import Linux
import MQTT
import Synchronization

/// What came of the shortest way.
enum Passage {
    /// What was there was passed on, and the source has no more.
    case drained
    /// Something is left to be done that the long way knows of: ``Loop/pump(_:isUp:ending:)`` goes on from what is written down.
    case unfinished
    /// The source's or the destination's socket failed.
    case sourceLost, destinationLost
}

extension Loop {
    /// Serves an event of a relayed session that says nothing but *there are bytes*, where both directions are empty: nearly all are
    /// such. Anything else is left to the long way, with everything written down as that one would have.
    ///
    /// - Returns: Whether the event was served; the session may have ended.
    @inline(__always)
    func passed(_ index: UInt32, _ event: EdgePoller.Event, isServer: Bool) -> Bool {
        // Sound: the arena's own address of this slot, which is mapped for as long as the loop lives; nothing below frees it before its
        // last use here.
        let slot = unsafe slots.address(index)
        guard event.isPlain, unsafe slot.pointee.isPassing else { return false }
        let passage =
            unsafe isServer
            ? pass(slot, isUp: false, from: slot.pointee.server, to: slot.pointee.client)
            : pass(slot, isUp: true, from: slot.pointee.client, to: slot.pointee.server)
        switch passage {
        case .drained: return true
        case .unfinished: return false
        case .sourceLost: end(index, isServer ? .serverReset : .clientReset)
        case .destinationLost: end(index, isServer ? .clientReset : .serverReset)
        }
        return true
    }

    /// Moves what one call receives, when one call sends it.
    ///
    /// The order of stores is that of the long way (docs/survival.md): a successor finds the same at each point.
    @inline(__always)
    private func pass(
        _ slot: UnsafeMutablePointer<Slot>, isUp: Bool, from source: Int32, to destination: Int32
    ) -> Passage {
        guard let chunk = chunks.takeHot() else { return .unfinished }
        Chaos.point(.chunkTaken)
        let base = unsafe slot.pointee[isUp: isUp].received
        if !Mortality.isMortal { unsafe hold(chunk.number, from: base, slot, isUp: isUp) }
        Chaos.point(.chunkStored)
        // Sound: the chunk has `size` bytes, and nobody else has it.
        let count = unsafe cl_receive(source, chunk.address, UInt64(truncatingIfNeeded: chunks.size))
        guard count > 0 else {
            Chaos.point(.readNothing)
            if !Mortality.isMortal { unsafe slot.pointee[isUp: isUp].chunk = 0 }
            chunks.putHot(chunk)
            if count == -Int64(EAGAIN) { return .drained }
            // The end of a stream is read again, and so is what a signal interrupted.
            return count == 0 || count == -Int64(EINTR) ? .unfinished : .sourceLost
        }
        Chaos.point(.received)
        unsafe slot.pointee[isUp: isUp].received = base &+ UInt64(truncatingIfNeeded: count)
        Chaos.point(.receivedStored)
        if isUp {
            unsafe slot.pointee.lastActivity = now
        } else {
            // Sound: of at least two bytes the second was received; of one, what it is does not matter.
            let first = unsafe chunk.address.load(as: UInt8.self)
            let second = unsafe chunk.address.load(fromByteOffset: 1, as: UInt8.self)
            if unsafe slot.pointee.isOpaque {
                unsafe slot.pointee.lastActivity = now
            } else if unsafe !slot.pointee.boundary.followWhole(count: Int(count), first: first, second: second, at: base) {
                let bytes = unsafe UnsafeRawBufferPointer(start: chunk.address, count: Int(count))
                let stops = unsafe slot.pointee.stops
                unsafe slot.pointee.boundary.follow(bytes.assumingMemoryBound(to: UInt8.self).span, at: base, stopping: stops)
                if !stops.isEmpty, unsafe slot.pointee.boundary.unfollowed(to: slot.pointee.down.received) > 0 { return .unfinished }
            }
        }
        // Sound: these bytes were just received into the chunk.
        let given = unsafe cl_give(destination, chunk.address, UInt64(truncatingIfNeeded: count))
        guard given == count else {
            if Mortality.isMortal { unsafe hold(chunk.number, from: base, slot, isUp: isUp) }
            return unsafe interrupted(slot, isUp: isUp, given)
        }
        Chaos.point(.sent)
        unsafe slot.pointee[isUp: isUp].sent = base &+ UInt64(truncatingIfNeeded: count)
        Chaos.point(.sentStored)
        if !Mortality.isMortal { unsafe slot.pointee[isUp: isUp].chunk = 0 }
        Chaos.point(.chunkForgotten)
        chunks.putHot(chunk)
        // A short read of a stream that goes on means that the source is empty.
        return Int(count) < chunks.size ? .drained : .unfinished
    }

    /// Writes down that a chunk holds what comes from `base` on, before anything comes.
    @inline(__always)
    private func hold(_ chunk: UInt32, from base: UInt64, _ slot: UnsafeMutablePointer<Slot>, isUp: Bool) {
        // Sound: the slot of the session in hand.
        unsafe slot.pointee[isUp: isUp].base = base
        Chaos.point(.baseStored)
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        unsafe slot.pointee[isUp: isUp].chunk = chunk
    }

    /// The destination took less than everything.
    private func interrupted(_ slot: UnsafeMutablePointer<Slot>, isUp: Bool, _ given: Int64) -> Passage {
        // Sound: the slot of the session in hand.
        if given > 0 {
            Chaos.point(.sent)
            unsafe slot.pointee[isUp: isUp].sent += UInt64(given)
            Chaos.point(.sentStored)
        }
        return given >= 0 || given == -Int64(EAGAIN) || given == -Int64(EINTR) ? .unfinished : .destinationLost
    }
}
