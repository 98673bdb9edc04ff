// One thread of the generator: its sessions, and what they do in each phase.

import Linux
import MQTT
import Synchronization
import TLS
import WebSocket
import Wire

/// Drives a share of the sessions, closed loop: a session asks again when it was answered.
///
/// Handed whole to the one thread that runs it.
final class LoadLoop: @unchecked Sendable {
    /// Where a session stands.
    enum State { case idle, connecting, opening, awaiting, up, lost }

    /// A session of ours.
    struct Session {
        var stream: BenchStream?
        var state = State.idle
        var generation: UInt32 = 0
        /// When the connection was begun, or the last question sent, in nanoseconds.
        var stamp: Int64 = 0
        /// When anything was last sent.
        var lastSent: Int64 = 0
        /// Not before this moment is the next attempt.
        var retry: Int64 = 0
        /// Bytes of the CONNACK so far, and how many.
        var head: UInt32 = 0
        var headCount = 0
        var tracker = PacketTracker()
        /// Where the PUBLISH stream goes on.
        var offset = 0
        var isAsking = false
        /// It has a former session to resume, and said so.
        var isResuming = false
    }

    /// How long a turn without work lasts.
    private static let wait: Int64 = 2_000_000
    /// The pause before a failed connection is tried again.
    private static let retryPause: Int64 = 100_000_000
    /// How often sessions are looked at that may have a PINGREQ due.
    private static let keepAliveRound: Int64 = 1_000_000_000

    let settings: LoadSettings
    let packets: LoadPackets
    let shared: LoadShared
    let target: SocketAddress
    let context: TLSContext?
    let poller: EdgePoller
    let upgradeOffer: UpgradeOffer?
    /// The number of the first session, counted over all loops.
    let first: Int
    var sessions: [Session]
    var tally = LoadTally()
    var buffers = BenchBuffers()
    var now: Int64 = 0
    var phase = LoadShared.Phase.opening
    /// Sessions begun and not yet up.
    private var underWay = 0
    private let mostUnderWay: Int
    /// Sessions to be begun, in order.
    private var waiting: [Int] = []
    private var waitingStart = 0
    /// Sessions whose PUBLISH stream goes on in the next turn.
    private var backlog: [Int] = []
    private var nextRound: Int64 = 0
    private var attempts = 0

    init(
        _ settings: LoadSettings, _ packets: LoadPackets, _ shared: LoadShared, target: SocketAddress,
        context: TLSContext?, sessions range: Range<Int>
    ) throws(Errno) {
        self.settings = settings
        self.packets = packets
        self.shared = shared
        self.target = target
        self.context = context
        poller = try EdgePoller(batch: 256)
        first = range.lowerBound
        sessions = Array(repeating: Session(), count: range.count)
        waiting = Array(0..<range.count)
        let most = settings.underWay ?? (settings.scenario == .connect ? settings.connections : 256)
        mostUnderWay = max(1, most / settings.loops)
        upgradeOffer =
            settings.url.scheme.isWebSocket
            ? UpgradeOffer(
                host: settings.url.host, target: settings.url.path,
                key: HandshakeKey.text((0..<16).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ range.lowerBound) })) : nil
    }

    func run() -> LoadTally {
        while true {
            // A poller that cannot wait is our own mistake: its descriptor is ours.
            guard let count = try? poller.wait(nanoseconds: backlog.isEmpty ? Self.wait : 0) else {
                preconditionFailure("the generator cannot wait for its sockets")
            }
            now = Clock.now.nanoseconds
            let wanted = shared.phase
            if wanted != phase { enter(wanted) }
            if phase == .over { break }
            for index in 0..<count { serve(poller[index]) }
            goOn()
            begin()
            if now >= nextRound { keepAlive() }
        }
        for index in sessions.indices { sessions[index].stream = nil }
        return tally
    }

    // MARK: Phases

    private func enter(_ wanted: LoadShared.Phase) {
        let former = phase
        phase = wanted
        if former == .opening, wanted != .over, settings.scenario == .ping || settings.scenario == .publish {
            for index in sessions.indices where isActive(index) && sessions[index].state == .up { start(index) }
        }
        if wanted == .measuring, settings.scenario == .storm {
            for index in sessions.indices where sessions[index].state == .up {
                sessions[index].stream = nil
                sessions[index].state = .idle
                // All of them want to come back at this moment: the wait for one's turn is part of what they see.
                sessions[index].stamp = now
                waiting.append(index)
                shared.up.subtract(1, ordering: .relaxed)
            }
        }
    }

    /// Active sessions are spread over all loops.
    private func isActive(_ index: Int) -> Bool {
        let number = first + index
        return (number + 1) * settings.activeCount / settings.connections
            > number * settings.activeCount / settings.connections
    }

    private func start(_ index: Int) {
        attempt(index) { (stream) throws(BenchFailure) in
            if settings.scenario == .publish { return try publish(index, stream) }
            if settings.question == .echo { try stream.write(packets.subscribe, &buffers) }
            try ask(index, stream)
        }
    }

    /// Does something with a session's stream; a failure ends the session.
    private func attempt(_ index: Int, _ body: (BenchStream) throws(BenchFailure) -> Void) {
        guard let stream = sessions[index].stream else { return }
        do throws(BenchFailure) {
            try body(stream)
        } catch {
            fail(index, error.reason)
        }
    }

    // MARK: Coming up

    private func begin() {
        let most = phase == .measuring && settings.scenario == .storm && settings.underWay == nil ? .max : mostUnderWay
        let allowed = shared.allowed.load(ordering: .relaxed)
        var looked = waiting.count - waitingStart
        while underWay < most, looked > 0 {
            looked -= 1
            let index = waiting[waitingStart]
            waitingStart += 1
            if sessions[index].retry > now || first + index >= allowed {
                waiting.append(index)
            } else {
                connect(index)
            }
        }
        if waitingStart > 4096, waitingStart * 2 > waiting.count {
            waiting.removeFirst(waitingStart)
            waitingStart = 0
        }
    }

    private func connect(_ index: Int) {
        let isStorm = phase == .measuring && settings.scenario == .storm
        if !isStorm || sessions[index].stamp == 0 { sessions[index].stamp = now }
        sessions[index].headCount = 0
        sessions[index].head = 0
        sessions[index].tracker = PacketTracker()
        sessions[index].offset = 0
        sessions[index].generation = (sessions[index].generation &+ 1) & 0x7FFF_FFFF
        attempts += 1
        underWay += 1
        sessions[index].state = .connecting
        do {
            let socket = try Socket.connect(target, from: settings.source(attempts))
            try poller.add(socket.number, tag: UInt64(sessions[index].generation) << 32 | UInt64(index))
            let former = settings.resumes ? shared.resumption : nil
            sessions[index].isResuming = former != nil
            let session = try context.map { try TLSSession($0, resuming: former) }
            sessions[index].stream = BenchStream(socket, .client(offer: upgradeOffer), tls: session)
        } catch let error as Errno {
            fail(index, "connect: " + Errno.text(error.code))
        } catch {
            fail(index, "TLS: no session")
        }
    }

    /// A session is over before its time, or could not be begun.
    private func fail(_ index: Int, _ reason: String) {
        let state = sessions[index].state
        sessions[index].stream = nil
        tally.fail(reason)
        shared.failures.add(1, ordering: .relaxed)
        if state == .up {
            sessions[index].state = .lost
            tally.lost += 1
            shared.up.subtract(1, ordering: .relaxed)
        } else {
            underWay -= 1
            sessions[index].state = .idle
            sessions[index].retry = now + Self.retryPause
            waiting.append(index)
        }
    }

    // MARK: Events

    private func serve(_ event: EdgePoller.Event) {
        let index = Int(event.tag & 0xFFFF_FFFF)
        guard UInt64(sessions[index].generation) == event.tag >> 32 else { return }
        attempt(index) { (stream) throws(BenchFailure) in
            if sessions[index].state == .connecting {
                guard event.isWritable || event.isDead else { return }
                let code = Socket.error(stream.number)
                guard code == 0 else { throw BenchFailure(errno: code) }
                sessions[index].state = .opening
                try stream.begin(&buffers)
                try connectWhenOpen(index, stream)
            } else if event.isWritable {
                if settings.scenario == .publish, sessions[index].isAsking {
                    try publish(index, stream)
                } else {
                    try stream.flush()
                }
            }
            guard event.isReadable else { return }
            try stream.receive(&buffers, ending: event.isEnding) { (bytes, buffers) throws(BenchFailure) in
                try take(index, stream, bytes, &buffers)
            }
            if sessions[index].state == .opening { try connectWhenOpen(index, stream) }
        }
        // A connection that was made is closed only here, when nothing looks into it any more.
        if settings.scenario == .connect, sessions[index].state == .up { close(index) }
    }

    private func connectWhenOpen(_ index: Int, _ stream: BenchStream) throws(BenchFailure) {
        guard stream.isOpen else { return }
        sessions[index].state = .awaiting
        sessions[index].lastSent = now
        try stream.write(packets.connect(first + index), &buffers)
    }

    private func take(_ index: Int, _ stream: BenchStream, _ bytes: Span<UInt8>, _ buffers: inout BenchBuffers)
        throws(BenchFailure)
    {
        var offset = 0
        while sessions[index].state == .awaiting, offset < bytes.count {
            sessions[index].head = sessions[index].head << 8 | UInt32(bytes[offset])
            sessions[index].headCount += 1
            offset += 1
            if sessions[index].headCount == 4 { try accepted(index, stream) }
        }
        while offset < bytes.count {
            offset = sessions[index].tracker.advance(bytes, from: offset)
            guard sessions[index].tracker.isAtBoundary else { continue }
            guard sessions[index].isAsking, settings.scenario == .ping,
                sessions[index].tracker.lastType == packets.answer
            else { continue }
            let time = Clock.now.nanoseconds
            if phase == .measuring {
                tally.count += 1
                tally.durations.record(time - sessions[index].stamp)
            }
            sessions[index].stamp = time
            try stream.write(packets.question, &buffers)
        }
    }

    /// Four bytes of a CONNACK have come.
    private func accepted(_ index: Int, _ stream: BenchStream) throws(BenchFailure) {
        guard sessions[index].head >> 16 == 0x2002 else { throw BenchFailure("no CONNACK") }
        guard sessions[index].head & 0xFF == 0 else {
            throw BenchFailure("refused by CONNACK \(sessions[index].head & 0xFF)")
        }
        sessions[index].state = .up
        underWay -= 1
        shared.up.add(1, ordering: .relaxed)
        if context != nil, settings.resumes {
            if stream.isResumed { tally.resumed += 1 } else if sessions[index].isResuming { tally.notResumed += 1 }
            if !stream.isResumed, let found = stream.resumption { shared.offer(found) }
        }
        let time = Clock.now.nanoseconds
        switch (settings.scenario, phase) {
        case (.connect, .measuring):
            tally.count += 1
            tally.durations.record(time - sessions[index].stamp)
        case (.storm, .measuring):
            tally.count += 1
            tally.durations.record(time - sessions[index].stamp)
            sessions[index].stamp = 0
            shared.returned.add(1, ordering: .relaxed)
        case (_, .opening): tally.openings.record(time - sessions[index].stamp)
        default: break
        }
    }

    /// The end of a connection of `connect`; the next one begins.
    private func close(_ index: Int) {
        attempt(index) { (stream) throws(BenchFailure) in try stream.write(packets.disconnect, &buffers) }
        guard sessions[index].state == .up else { return }
        sessions[index].stream = nil
        sessions[index].state = .idle
        shared.up.subtract(1, ordering: .relaxed)
        waiting.append(index)
    }

    // MARK: Load

    private func ask(_ index: Int, _ stream: BenchStream) throws(BenchFailure) {
        sessions[index].isAsking = true
        sessions[index].stamp = Clock.now.nanoseconds
        try stream.write(packets.question, &buffers)
    }

    private func publish(_ index: Int, _ stream: BenchStream) throws(BenchFailure) {
        sessions[index].isAsking = true
        // So that one session does not keep the others waiting.
        for _ in 0..<4 {
            let offset = sessions[index].offset
            let taken = try stream.offer(packets.stream, from: offset, &buffers)
            if phase == .measuring {
                tally.bytes += UInt64(taken)
                tally.count += UInt64((offset + taken) / packets.messageSize - offset / packets.messageSize)
            }
            sessions[index].offset = (offset + taken) % packets.stream.count
            if offset + taken < packets.stream.count { return }
        }
        // The socket takes more, and an edge-triggered poller will not say so again.
        backlog.append(index)
    }

    private func goOn() {
        guard !backlog.isEmpty else { return }
        var turn: [Int] = []
        swap(&turn, &backlog)
        for index in turn where sessions[index].state == .up {
            attempt(index) { (stream) throws(BenchFailure) in try publish(index, stream) }
        }
    }

    private func keepAlive() {
        nextRound = now + Self.keepAliveRound
        guard settings.keepAlive > 0 else { return }
        // Half of it, as clients do that want to be on time.
        let due = now - Int64(settings.keepAlive) * 500_000_000
        for index in sessions.indices
        where sessions[index].state == .up && !sessions[index].isAsking && sessions[index].lastSent < due {
            sessions[index].lastSent = now
            attempt(index) { (stream) throws(BenchFailure) in try stream.write(packets.pingreq, &buffers) }
        }
    }
}
