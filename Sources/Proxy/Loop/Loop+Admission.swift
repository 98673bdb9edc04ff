// Who is let in: access rules and limits, asked when a connection arrives and when its CONNECT is whole.

import Balancing
import Configuration
import MQTT
import Wire

/// What a refusal in the client's own words, and a CONNECT that waits, may cost; for each loop.
enum AdmissionBounds {
    /// Connections that are refused but kept until their CONNECT tells in which words; what is beyond is closed at once.
    static let refusing = 1024
    /// How long such a connection may take to send its CONNECT, in nanoseconds.
    static let refusingTime: Int64 = 5_000_000_000
    /// Flapping clients whose CONNECT waits, each with a buffer; what is beyond is refused.
    static let held = 256
    /// Marks in a slot a refusal whose client is not told.
    static let untold: UInt8 = 0x80
}

extension Loop {
    // MARK: Arrivals

    /// Judges a connection that was just accepted, by its listener and its source's address.
    ///
    /// - Parameter awaitsProxy: Its source is not known before its PROXY header is.
    /// - Returns: `false` when it is to be closed without a word; it was counted then.
    func judgeArrival(_ index: UInt32, _ listener: ListenerRuntime, awaitsProxy: Bool) -> Bool {
        if listener.sessions.value >= listener.settings.maximumSessions {
            return doom(index, .listenerConnections, listener)
        }
        // Behind a proxy that we trust the client is another one: it is judged once the proxy has named it.
        let isForwarded = awaitsProxy || isForwarded(index, listener)
        guard isForwarded || judgeSource(index, listener) else { return false }
        if slots[index].doom == 0 {
            listener.sessions.add(1)
            slots[index].isListed = true
        }
        return true
    }

    /// Whether the session's peer is a proxy that names its clients in HTTP.
    func isForwarded(_ index: UInt32, _ listener: ListenerRuntime) -> Bool {
        listener.webSocket?.trusts(slots[index].peer.address) ?? false
    }

    /// Judges a connection by where it comes from; again once somebody we trust has said that it comes from elsewhere.
    ///
    /// - Returns: `false` when it is to be closed without a word; it was counted then.
    func judgeSource(_ index: UInt32, _ listener: ListenerRuntime) -> Bool {
        let address = slots[index].peer.address
        guard listener.access.isEmpty || listener.access.allows(address) else { return doom(index, .denied, listener) }
        guard listener.judgesArrivals else { return true }
        let (verdict, source) = listener.admission.arrived(address, at: now)
        slots[index].sourcePrefix = source
        guard case .refused(let limit) = verdict else { return true }
        return doom(index, AdmissionRefusal(limit), listener)
    }

    /// Counts a refusal. The connection is kept until its CONNECT says in which words it is to be told, where the
    /// listener tells and not too many are kept already.
    private func doom(_ index: UInt32, _ refusal: AdmissionRefusal, _ listener: ListenerRuntime) -> Bool {
        counters.add(refusal.counter)
        counters.add(refusal.cause)
        if slots[index].isListed {
            listener.sessions.add(-1)
            slots[index].isListed = false
        }
        slots[index].doom = refusal.rawValue | AdmissionBounds.untold
        guard !listener.settings.admission.refusesSilently else { return false }
        guard refusing < AdmissionBounds.refusing else {
            counters.add(.limitRefusing)
            return false
        }
        refusing += 1
        slots[index].doom = refusal.rawValue
        return true
    }

    /// When a connection that was just accepted must have said something.
    func firstDeadline(_ index: UInt32, _ listener: ListenerRuntime) -> Int64 {
        if slots[index].doom != 0 { return now + AdmissionBounds.refusingTime }
        let first = listener.settings.admission.firstByteDeadline ?? listener.settings.connectDeadline
        return now + min(first, listener.settings.connectDeadline).nanoseconds
    }

    /// The first bytes are there: the CONNECT has its own deadline from now on.
    func heardFirst(_ index: UInt32) {
        let settings = snapshot.listeners[Int(slots[index].listener)].settings
        guard settings.admission.firstByteDeadline != nil, slots[index].doom == 0 else { return }
        setDeadline(index, slots[index].since + settings.connectDeadline.nanoseconds)
    }

    /// The cause of an end by a deadline in the preamble.
    func preambleTimeout(_ index: UInt32) -> EndCause {
        let listener = snapshot.listeners[Int(slots[index].listener)]
        let isMute = slots[index].up.isEmpty && listener.settings.admission.firstByteDeadline != nil
        return isMute ? .firstByteDeadline : .connectDeadline
    }

    // MARK: Clients

    /// Judges a client whose CONNECT is whole; the session goes on to a server, waits, or is refused.
    func judgeClient(_ index: UInt32) {
        let listener = snapshot.listeners[Int(slots[index].listener)]
        if let refusal = AdmissionRefusal(rawValue: slots[index].doom) {
            // Counted when it was found.
            refuse(index, code: refusal.reasonCode, refusal.cause)
            return
        }
        if let poison, slots[index].keyLength > 0, poison.refuses(keys.load(slots[index]), at: now) {
            turnAway(index, .poison, listener)
            return
        }
        Chaos.connect(keys.load(slots[index]))
        // Clients without an ID are as many as they like: their addresses are limited.
        guard listener.judgesClients, slots[index].keyLength > 0 else {
            chooseServer(index)
            return
        }
        switch listener.admission.connecting(keys.load(slots[index]), at: now) {
        case .admitted: chooseServer(index)
        case .refused(let limit): turnAway(index, AdmissionRefusal(limit), listener)
        case .delayed(let delay):
            guard held < AdmissionBounds.held else {
                turnAway(index, .flapping, listener)
                return
            }
            counters.add(.limitFlapping)
            held += 1
            slots[index].phase = .held
            setDeadline(index, now + delay.nanoseconds)
        }
    }

    private func turnAway(_ index: UInt32, _ refusal: AdmissionRefusal, _ listener: ListenerRuntime) {
        counters.add(refusal.counter)
        if listener.settings.admission.refusesSilently {
            end(index, refusal.cause)
        } else {
            refuse(index, code: refusal.reasonCode, refusal.cause)
        }
    }

    /// A flapping client has waited long enough.
    func letGo(_ index: UInt32) {
        held -= 1
        slots[index].phase = .preamble
        chooseServer(index)
    }

    // MARK: Ends

    /// Gives back what a session was counted at; the slot is as it was when the session ended.
    func leaveListener(_ slot: Slot) {
        let listener = snapshot.listeners[Int(slot.listener)]
        if slot.isListed { listener.sessions.add(-1) }
        if slot.sourcePrefix != 0 { listener.admission.left(slot.peer.address, prefix: slot.sourcePrefix) }
        if slot.doom != 0, slot.doom & AdmissionBounds.untold == 0 { refusing -= 1 }
        if slot.phase == .held { held -= 1 }
    }
}
