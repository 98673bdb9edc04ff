// Opening a record, and what of it is not application data.

extension RecordLayer {
    /// What a record was.
    package enum Opened: Hashable, Sendable {
        /// This many bytes of application data stand in the output; may be none.
        case data(Int)
        /// Something the session has to act upon, or nothing at all (a ticket, an alert that only warns).
        case nothing
        /// The other side changed its keys; `true`: and wants us to do the same (RFC 8446, 4.6.3).
        case keyUpdate(isRequested: Bool)
        /// close_notify: nothing more will come (RFC 8446, 6.1).
        case closed
        /// The other side wants to renegotiate: answered with a warning, no_renegotiation (RFC 5246, 7.2.2).
        case renegotiation
    }

    /// Opens the record that `record` is, header included, exactly.
    ///
    /// - Parameters:
    ///   - record: as ``length(of:_:)`` measured it.
    ///   - output: takes the record's plaintext and its type from `start` on: as many bytes as the record has.
    /// - Throws: what is wrong with it. The output then holds nothing of the record.
    package static func open(
        _ record: Span<UInt8>, _ parameters: RecordParameters, _ reading: inout RecordReading, _ cipher: RecordCipher,
        owner: UInt64, into output: inout MutableSpan<UInt8>, at start: Int
    ) throws(RecordViolation) -> Opened {
        guard reading.keys.sequence < .max else { throw .exhausted }
        let sequence = reading.keys.sequence
        let type: UInt8
        var count: Int
        switch parameters.version {
        case .tls13:
            let body = record.extracting(headerLength..<record.count)
            guard
                cipher.open(
                    parameters.suite, reading.keys, owner: owner,
                    nonce: RecordNonce.masked(reading.keys.iv, sequence),
                    header: record.extracting(0..<headerLength), body: body, into: &output, at: start)
            else { throw .badRecordMAC }
            // What was authenticated may be looked at: the type stands before the padding (RFC 8446, 5.2).
            count = body.count - RecordCipher.tagLength
            while count > 0, output[start + count - 1] == 0 { count -= 1 }
            guard count > 0 else { throw .unexpectedMessage }
            count -= 1
            type = output[start + count]
        case .tls12:
            let explicit = parameters.suite.explicitNonceLength
            let body = record.extracting((headerLength + explicit)..<record.count)
            count = body.count - RecordCipher.tagLength
            type = record[0]
            let nonce: InlineArray<12, UInt8>
            if explicit > 0 {
                var value = reading.keys.iv
                for index in 0..<explicit { value[4 + index] = record[headerLength + index] }
                nonce = value
            } else {
                nonce = RecordNonce.masked(reading.keys.iv, sequence)
            }
            let header = RecordNonce.legacyHeader(sequence, type, count)
            guard
                cipher.open(
                    parameters.suite, reading.keys, owner: owner, nonce: nonce, header: header.span, body: body,
                    into: &output, at: start)
            else { throw .badRecordMAC }
        }
        reading.keys.sequence += 1
        // As long as was agreed, in both directions (RFC 6066, 4).
        guard count <= Int(parameters.maximumFragment) else { throw .recordOverflow }
        let content = start..<(start + count)
        // A handshake message in pieces is not interrupted (RFC 8446, 5.1).
        if type != ContentType.handshake, reading.notes.pieceCount > 0 || reading.notes.skipping > 0 { throw .unexpectedMessage }
        switch type {
        case ContentType.applicationData:
            guard count > 0 else {
                reading.notes.emptyRecords += 1
                guard Int(reading.notes.emptyRecords) <= maximumEmptyRecords else { throw .flood }
                return .data(0)
            }
            reading.notes.emptyRecords = 0
            reading.notes.warnings = 0
            reading.notes.updates = 0
            return .data(count)
        case ContentType.alert: return try alert(output, content, parameters, &reading)
        case ContentType.handshake:
            guard count > 0 else { throw .unexpectedMessage }
            return try handshake(output, content, parameters, &reading)
        default: throw .unexpectedMessage
        }
    }

    private static func alert(
        _ output: borrowing MutableSpan<UInt8>, _ content: Range<Int>, _ parameters: RecordParameters,
        _ reading: inout RecordReading
    ) throws(RecordViolation) -> Opened {
        guard !content.isEmpty else { throw .unexpectedMessage }
        guard content.count == 2 else { throw .decodeError }
        let level = output[content.lowerBound]
        let description = output[content.lowerBound + 1]
        if description == 0, parameters.version == .tls13 || level == 1 || level == 2 {
            reading.notes.isClosed = true
            return .closed
        }
        switch parameters.version {
        // user_canceled only announces close_notify; the level says nothing (RFC 8446, 6.1).
        case .tls13: guard description == 90 else { throw .alerted }
        // RFC 5246, 7.2 knows warnings of any kind, and two levels.
        case .tls12:
            guard level == 1 || level == 2 else { throw .illegalParameter }
            guard level == 1 else { throw .alerted }
        }
        reading.notes.warnings += 1
        guard Int(reading.notes.warnings) <= maximumWarnings else { throw .flood }
        return .nothing
    }

    private static func handshake(
        _ output: borrowing MutableSpan<UInt8>, _ content: Range<Int>, _ parameters: RecordParameters,
        _ reading: inout RecordReading
    ) throws(RecordViolation) -> Opened {
        var next = content.lowerBound
        var opened = Opened.nothing
        while next < content.upperBound {
            if reading.notes.skipping > 0 {
                let step = min(Int(reading.notes.skipping), content.upperBound - next)
                reading.notes.skipping -= UInt32(step)
                next += step
                continue
            }
            reading.notes.pieces[Int(reading.notes.pieceCount)] = output[next]
            reading.notes.pieceCount += 1
            next += 1
            // ClientHello asks a server, HelloRequest a client, to begin again (RFC 5246, 7.4.1.1).
            if parameters.version == .tls12, reading.notes.pieces[0] != (parameters.isServer ? 1 : 0) {
                reading.notes.pieceCount = 0
                throw .unexpectedMessage
            }
            guard reading.notes.pieceCount >= 4 else { continue }
            let length = Int(reading.notes.pieces[1]) << 16 | Int(reading.notes.pieces[2]) << 8 | Int(reading.notes.pieces[3])
            let kind = reading.notes.pieces[0]
            if parameters.version == .tls12 {
                reading.notes.pieceCount = 0
                reading.notes.warnings += 1
                guard Int(reading.notes.warnings) <= maximumWarnings else { throw .flood }
                reading.notes.skipping = UInt32(length)
                opened = .renegotiation
                continue
            }
            if kind == 24, length == 1, reading.notes.pieceCount < 5 { continue }
            // Nothing is left of it, whatever is thrown: who asks again after a violation must not find half a message.
            reading.notes.pieceCount = 0
            switch kind {
            case 24:
                guard length == 1 else { throw .decodeError }
                let request = reading.notes.pieces[4]
                guard request <= 1 else { throw .illegalParameter }
                // Behind it come other keys: the record ends with it (RFC 8446, 5.1).
                guard next == content.upperBound else { throw .unexpectedMessage }
                reading.notes.updates += 1
                guard Int(reading.notes.updates) <= maximumUpdates else { throw .flood }
                guard TrafficKeys.advance(&reading.keys, parameters.suite) else { throw .exhausted }
                return .keyUpdate(isRequested: request == 1)
            case 4 where !parameters.isServer:
                // A ticket; sessions with servers are not resumed from here.
                reading.notes.skipping = UInt32(length)
                opened = .nothing
            default: throw .unexpectedMessage
            }
        }
        return opened
    }
}
