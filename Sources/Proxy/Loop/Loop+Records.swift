// The records of sessions that were taken over: opened from the input, sealed into the output, published with the commit.

import Linux
import TLS
import WebSocket
import Wire

extension Loop {
    // MARK: Opening

    /// Whether the input of a direction holds something that can be transformed now.
    ///
    /// Records are opened whole: the first bytes of one wait in the input for the others.
    @inline(__always)
    func isReady(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        let layers = edges[edge].layers
        guard layers.hasRecords(client: isUp) else {
            if edges[edge][isUp: isUp].pending > 0 { return true }
            return layers.hasTLS(client: isUp) && privates(index).holds(client: isUp)
        }
        return recordLength(index, isUp: isUp) != nil
    }

    /// Bytes of the record that begins the input, when it is whole; 0 when it will never be a good one.
    func recordLength(_ index: UInt32, isUp: Bool) -> Int? {
        let edge = slots[index].edge
        let pending = edges[edge][isUp: isUp].pending
        guard pending > 0 else { return nil }
        // Behind close_notify everything is passed over (RFC 8446, 6.1).
        if edges[edge][isUp: isUp].isReadClosed { return 0 }
        let range = edges[edge][isUp: isUp].pendingRange
        let parameters = edges[edge].records(client: isUp)
        return chunks.withBytes(of: edges[edge][isUp: isUp].input.chunk, length: range.upperBound) { bytes -> Int? in
            do throws(RecordViolation) {
                guard let length = try RecordLayer.length(of: bytes.extracting(range), parameters) else { return nil }
                return length <= pending ? length : nil
            } catch {
                return 0
            }
        }
    }

    /// Opens whole records of the source into the scratch, as many as have room there and a step may take, up to the first that
    /// changes the keys, or is bad: that one is met by the next step. The alert that it is answered with is sealed and committed
    /// before this throws.
    ///
    /// - Parameter limit: most plaintext bytes.
    func openRecords(
        _ index: UInt32, isUp: Bool, limit: Int, _ progress: inout EdgeProgress
    ) throws(TLSError) -> Range<Int> {
        let edge = slots[index].edge
        let flow = edges[edge][isUp: isUp]
        let start = EdgeScratch.payload
        guard !flow.isReadClosed else {
            progress.consumed = flow.received
            return start..<start
        }
        let parameters = edges[edge].records(client: isUp)
        let owner = mark(index, client: isUp)
        let cipher = self.cipher
        var reading = RecordReading(keys: secrets.reading(edge, client: isUp), notes: progress.notes)
        defer { reading.keys.wipe() }
        var step = Opening(end: start, limit: start + limit, most: Share.records)
        while true {
            reading.keys.sequence = progress.readSequence
            do throws(RecordViolation) {
                try chunks.withBytes(of: flow.input.chunk, length: flow.pendingRange.upperBound) { input throws(RecordViolation) in
                    try scratch.withMutableBytes { output throws(RecordViolation) in
                        try step.open(input.extracting(flow.pendingRange), parameters, &reading, cipher, owner, &output)
                    }
                }
                break
            } catch {
                if step.count > 0 {
                    // What stands before it is genuine, and is passed on first: opened once more, up to there.
                    step = Opening(end: start, limit: start + limit, most: step.count)
                    reading = RecordReading(keys: secrets.reading(edge, client: isUp), notes: progress.notes)
                    continue
                }
                counters.add(error)
                if isUp { forgetSession(index) }
                sayAlert(index, toClient: isUp, error)
                throw TLSError(error == .alerted ? .refused : .malformed, error.rawValue)
            }
        }
        progress.consumed += UInt64(step.consumed)
        progress.readSequence = reading.keys.sequence
        progress.notes = reading.notes
        progress.asks &+= step.asks
        if step.hasNewKeys {
            counters.add(.keyUpdatesHeard)
            secrets.prepare(reading.keys, edge, client: isUp, isReading: true)
            progress.readGeneration = UInt8(truncatingIfNeeded: reading.keys.generation)
        }
        if reading.isClosed { slots[index][isUp: isUp].isEnded = true }
        Chaos.point(.opened)
        return start..<step.end
    }

    /// The course of one step over the records at hand.
    private struct Opening {
        /// Where the plaintext ends in the scratch, and where it must.
        var end: Int
        let limit: Int
        /// Most records.
        let most: Int
        /// Records opened, and their bytes.
        var count = 0
        var consumed = 0
        var asks: UInt8 = 0
        var hasNewKeys = false

        mutating func open(
            _ input: Span<UInt8>, _ parameters: RecordParameters, _ reading: inout RecordReading,
            _ cipher: RecordCipher, _ owner: UInt64, _ output: inout MutableSpan<UInt8>
        ) throws(RecordViolation) {
            while consumed < input.count, count < most, !hasNewKeys {
                guard !reading.isClosed else {
                    consumed = input.count
                    return
                }
                let rest = input.extracting(consumed..<input.count)
                guard let length = try RecordLayer.length(of: rest, parameters), length <= rest.count,
                    end + length - RecordLayer.headerLength - RecordCipher.tagLength <= limit
                else { return }
                let opened = try RecordLayer.open(
                    rest.extracting(0..<length), parameters, &reading, cipher, owner: owner, into: &output, at: end)
                consumed += length
                count += 1
                switch opened {
                case .data(let bytes): end += bytes
                case .nothing, .closed: break
                case .renegotiation: asks &+= 1
                case .keyUpdate(let isRequested):
                    hasNewKeys = true
                    if isRequested { asks &+= 1 }
                }
            }
        }
    }

    // MARK: Sealing

    /// Bytes that so many become on the wire to a side, with the answer or the new keys that may go before them.
    func sealedSize(_ edge: UInt32, client: Bool, _ count: Int) -> Int {
        guard edges[edge].layers.hasRecords(client: client) else { return count }
        let parameters = edges[edge].records(client: client)
        let fragments = count / Int(parameters.maximumFragment) + 1
        return count + (fragments + 1) * RecordLayer.overhead(parameters) + Self.answerSize
    }

    /// Bytes of the message in which we announce new keys.
    private static let answerSize = 5

    /// Most bytes for a side that surely have room in an empty chunk.
    func roomForSealed(_ edge: UInt32, client: Bool) -> Int {
        guard edges[edge].layers.hasRecords(client: client) else { return chunks.size }
        return chunks.size - (sealedSize(edge, client: client, chunks.size) - chunks.size)
    }

    /// Whether a side is owed an answer of TLS, or we owe ourselves new keys.
    @inline(__always)
    func owesRecords(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        guard edges[edge].layers.hasRecords(client: !isUp), !edges[edge][isUp: isUp].isSealed else { return false }
        return edges[edge][isUp: !isUp].asks != edges[edge][isUp: isUp].told || isSpent(edge, isUp: isUp)
    }

    /// Whether the keys that a destination is written to with have sealed enough.
    private func isSpent(_ edge: UInt32, isUp: Bool) -> Bool {
        let parameters = edges[edge].records(client: !isUp)
        return edges[edge][isUp: isUp].writeSequence >= min(recordLimit, parameters.suite.recordLimit)
    }

    /// Records before the limit of keys at which a session that cannot renew them begins to end: few packets are as long. As many
    /// are left behind the limit for last words.
    private static let retirementMargin: UInt64 = 4096

    /// Whether keys of TLS 1.2, which has no new ones without a new handshake (RFC 5246, 7.4.1.1), are near their limit: the session
    /// ends between two packets, as it does when its server is drained.
    @inline(__always)
    func isWorn(_ index: UInt32) -> Bool {
        let edge = slots[index].edge
        return isWorn(edge, isUp: true) || isWorn(edge, isUp: false)
    }

    @inline(__always)
    private func isWorn(_ edge: UInt32, isUp: Bool) -> Bool {
        guard edges[edge].layers.hasRecords(client: !isUp) else { return false }
        let parameters = edges[edge].records(client: !isUp)
        guard parameters.version == .tls12 else { return false }
        let limit = min(recordLimit, parameters.suite.recordLimit)
        return edges[edge][isUp: isUp].writeSequence >= limit - min(Self.retirementMargin, limit / 4)
    }

    /// Whether a destination's keys are spent and cannot be renewed: nothing but last words is sealed any more.
    func isExhausted(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        return edges[edge].records(client: !isUp).version == .tls12 && isSpent(edge, isUp: isUp)
    }

    /// Ends a session whose keys are exhausted inside a packet, or that has none: both sides are told. An opaque stream misses bytes,
    /// which only an alert says.
    func retire(_ index: UInt32) {
        let isOpaque = slots[index].isOpaque
        if isOpaque {
            cutServer(index)
            for toClient in [true, false] where edges[slots[index].edge].layers.hasRecords(client: toClient) {
                _ = sayLast(index, toClient: toClient, level: 2, RecordViolation.exhausted.alert ?? 80)
            }
        } else {
            _ = sayGoodbye(index, toClient: false, .goingAway)
        }
        _ = flushEdge(index, isUp: true)
        linger(index, .keysSpent, .goingAway, isCut: isOpaque)
    }

    /// Answers what a destination's TLS has asked for, and renews keys that are spent. `false` when there is no room for it, or
    /// nothing can be sealed any more (``EdgeProgress/isSealed``).
    func answerRecords(_ index: UInt32, isUp: Bool) -> Bool {
        let edge = slots[index].edge
        guard room(edge, isUp: isUp) >= sealedSize(edge, client: !isUp, 0), prepareOutput(edge, isUp: isUp) else {
            return false
        }
        var progress = edges[edge][isUp: isUp].progress
        do throws(TLSError) {
            try seal(index, isUp: isUp, 0..<0, &progress)
        } catch {
            sealOff(index, isUp: isUp)
            return false
        }
        commit(index, isUp: isUp, progress)
        return true
    }

    /// Nothing is sealed for a destination any more: its stream ends without close_notify, or has ended.
    func sealOff(_ index: UInt32, isUp: Bool) {
        var progress = edges[slots[index].edge][isUp: isUp].progress
        progress.isSealed = true
        commit(index, isUp: isUp, progress)
    }

    /// Seals a range of the scratch into the output, which has room for ``sealedSize(_:client:_:)``; what is due before it
    /// goes before it.
    func seal(_ index: UInt32, isUp: Bool, _ range: Range<Int>, _ progress: inout EdgeProgress) throws(TLSError) {
        let edge = slots[index].edge
        let parameters = edges[edge].records(client: !isUp)
        guard !progress.isSealed else { throw TLSError(.closed, "close_notify was sent") }
        let asks = edges[edge][isUp: !isUp].asks
        let isSpent = progress.writeSequence >= min(recordLimit, parameters.suite.recordLimit)
        if asks != progress.told || isSpent {
            switch parameters.version {
            case .tls13: try sealRecord(index, isUp: isUp, .keyUpdate, &progress)
            case .tls12:
                // No step begins with spent keys; last words have their reserve.
                guard progress.writeSequence < parameters.suite.recordLimit + Self.retirementMargin else {
                    counters.add(RecordViolation.exhausted)
                    throw TLSError(.closed, RecordViolation.exhausted.rawValue)
                }
                if asks != progress.told { try sealRecord(index, isUp: isUp, .alert(level: 1, 100), &progress) }
            }
            progress.told = asks
        }
        let most = Int(parameters.maximumFragment)
        var next = range.lowerBound
        while next < range.upperBound {
            let end = min(next + most, range.upperBound)
            try sealRecord(index, isUp: isUp, .data(next..<end), &progress)
            next = end
        }
    }

    /// What a record of ours carries.
    private enum Content {
        /// A range of the scratch.
        case data(Range<Int>)
        case alert(level: UInt8, UInt8)
        /// New keys: this is the last record under the old ones.
        case keyUpdate
    }

    private func sealRecord(
        _ index: UInt32, isUp: Bool, _ content: Content, _ progress: inout EdgeProgress
    ) throws(TLSError) {
        // Two who seal with one key betray its secret: whoever is not in charge any more must not go on at all.
        precondition(charge.isHeld, "another process has this one's sessions")
        let edge = slots[index].edge
        let client = !isUp
        let parameters = edges[edge].records(client: client)
        var keys = secrets.writing(edge, client: client)
        keys.sequence = progress.writeSequence
        precondition(
            UInt8(truncatingIfNeeded: keys.generation) == progress.writeGeneration, "keys of another generation")
        defer { keys.wipe() }
        let output = edges[edge][isUp: isUp].output
        let place = Int(progress.produced - output.base)
        let owner = mark(index, client: client)
        let cipher = self.cipher
        var count = 0
        do throws(RecordViolation) {
            try chunks.withMutableBytes(of: output.chunk, place..<chunks.size) { span throws(RecordViolation) in
                switch content {
                case .data(let range):
                    count = try scratch.withBytes(range) { bytes throws(RecordViolation) in
                        try RecordLayer.seal(bytes, parameters, &keys, cipher, owner: owner, into: &span, at: 0)
                    }
                case .alert(let level, let description):
                    count = try RecordLayer.sealAlert(
                        level: level, description, parameters, &keys, cipher, owner: owner, into: &span, at: 0)
                case .keyUpdate:
                    count = try RecordLayer.sealKeyUpdate(
                        isRequesting: false, parameters, &keys, cipher, owner: owner, into: &span, at: 0)
                }
            }
        } catch {
            counters.add(error)
            // Keys that were prepared for a record before this one are not committed any more.
            if secrets.isChanging { settleKeys() }
            throw TLSError(.library, error.rawValue)
        }
        Chaos.point(.sealed)
        progress.produced += UInt64(count)
        progress.writeSequence = keys.sequence
        if case .keyUpdate = content {
            counters.add(.keyUpdatesSaid)
            secrets.prepare(keys, edge, client: client, isReading: false)
            progress.writeGeneration = UInt8(truncatingIfNeeded: keys.generation)
        }
    }

    // MARK: The end

    /// Tells a side what was wrong with its record; nothing follows. Where there is no room for that, the stream ends without a word:
    /// never with close_notify, which would say that nothing is missing.
    private func sayAlert(_ index: UInt32, toClient: Bool, _ violation: RecordViolation) {
        // Who has sent a fatal alert hears nothing any more (RFC 8446, 6.2).
        if let description = violation.alert {
            if sayLast(index, toClient: toClient, level: 2, description) { return }
            // What stands before it may have room in the socket.
            if case .done = flushEdge(index, isUp: !toClient), sayLast(index, toClient: toClient, level: 2, description) { return }
        }
        sealOff(index, isUp: !toClient)
    }

    /// Says close_notify, unless the end was said before. `false` when there is no room for it.
    func sayCloseNotify(_ index: UInt32, toClient: Bool) -> Bool { sayLast(index, toClient: toClient, level: 1, 0) }

    /// A client's session of TLS 1.2 ends with a fatal alert: it is not to be resumed, as far as it is we who remember it.
    private func forgetSession(_ index: UInt32) {
        let edge = slots[index].edge
        guard edges[edge].clientRecords.version == .tls12,
            let context = snapshot.listeners[Int(slots[index].listener)].tls
        else { return }
        var keys = secrets.reading(edge, client: true)
        defer { keys.wipe() }
        let id = keys.sessionID
        if !id.isEmpty { context.forget(sessionID: id) }
    }

    /// Says a last alert; `false` when there is no room for it.
    private func sayLast(_ index: UInt32, toClient: Bool, level: UInt8, _ description: UInt8) -> Bool {
        let edge = slots[index].edge
        let isUp = !toClient
        guard !edges[edge][isUp: isUp].isSealed else { return true }
        guard room(edge, isUp: isUp) >= sealedSize(edge, client: toClient, 2), prepareOutput(edge, isUp: isUp) else {
            return false
        }
        var progress = edges[edge][isUp: isUp].progress
        do throws(TLSError) {
            try sealRecord(index, isUp: isUp, .alert(level: level, description), &progress)
        } catch {
            // libcrypto cannot: the end of the stream must do.
        }
        progress.isSealed = true
        commit(index, isUp: isUp, progress)
        return true
    }
}
