// Writing sessions down: a copy of what the slot knows, for the session log.

import Balancing
import Configuration
import Linux
import MQTT
import TLS
import Wire

extension Loop {
    /// What is known of a client besides its slot.
    func gather(_ index: UInt32, _ username: [UInt8]) -> SessionFacts {
        var known = facts[index] ?? SessionFacts()
        known.username = username
        return known
    }

    /// Keeps what the record will tell beyond the slot; nothing when nobody writes records.
    func remember(_ index: UInt32, _ known: SessionFacts) {
        guard snapshot.recording != nil else { return }
        facts[index] = known
    }

    /// Writes the record of a CONNACK that reached the client.
    func recordConnack(_ index: UInt32) {
        guard let recording = snapshot.recording, recording.isWrittenAtConnack else { return }
        write(recording, slots[index], index, nil)
    }

    /// Writes the record of an end, and forgets what was kept for it; the slot is as it was when the session ended.
    func record(_ slot: Slot, _ index: UInt32, _ cause: EndCause) {
        defer { if !facts.isEmpty { facts[index] = nil } }
        guard let recording = snapshot.recording, slot.up.received > 0 || slot.doom != 0 || cause == .proxyRefused || recording.isWrittenWhenEmpty
        else { return }
        write(recording, slot, index, cause)
    }

    private func write(_ recording: SessionRecording, _ slot: Slot, _ index: UInt32, _ cause: EndCause?) {
        let listener = snapshot.listeners[Int(slot.listener)]
        let backend = snapshot.backends[Int(slot.backendNumber)]
        let hasServer =
            switch slot.phase {
            case .connecting, .opening, .awaiting, .relaying, .orphaned: true
            case .free, .securing, .upgrading, .preamble, .held, .lingering: false
            }
        var counts = SessionRecord.Counts()
        counts.all = snapshot.listeners.reduce(0) { $0 + max(0, $1.sessions.value) }
        counts.listener = max(0, listener.sessions.value)
        counts.retries = max(0, Int(slot.tries) - 1)
        let servers = backend.current.servers
        counts.backend = servers.reduce(0) { $0 + $1.connections }
        let server = hasServer ? servers[Int(slot.serverIndex)] : nil
        counts.server = server?.connections ?? 0
        let reasons = Choice.Because.allCases
        let wall = Clock.wallMicroseconds
        let record = SessionRecord(
            end: cause.map { SessionRecord.End(cause: $0, termination: TerminationCode($0, slot).text) },
            time: wall, accepted: wall - max(0, Clock.now.nanoseconds - slot.since) / 1000,
            peer: slot.peer, listener: listener.settings.name, backend: backend.name,
            server: server?.settings.name, because: hasServer ? reasons[min(Int(slot.reason), reasons.count - 1)] : nil,
            clientID: keys.load(slot), original: prefaces[index]?.original ?? originals[index], level: slot.level, isCleanStart: slot.cleanStart, keepAlive: slot.keepAlive,
            facts: facts[index] ?? SessionFacts(),
            connack: slot.connackAfter == Slot.never && slot.connackCode == 0 ? nil : slot.connackCode,
            isSessionPresent: slot.isSessionPresent, bytesUp: slot.up.sent, bytesDown: slot.down.sent,
            connectAfter: slot.connectAfter, triedAfter: slot.triedAfter, connectedAfter: slot.connectedAfter,
            connackAfter: slot.connackAfter, counts: counts)
        if !recording.log.post(record, loop: number) { counters.add(.sessionRecordsLost) }
    }
}
