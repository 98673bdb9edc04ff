// One side of a session that was taken over, for tests.

import TLS

/// Seals and opens with one set of plain data, as a session's owner would.
struct Side {
    private(set) var cipher: RecordCipher
    var parameters: RecordParameters
    var reading: RecordReading
    var writing: RecordKeys
    var owner: UInt64 = 0

    /// Both sides of a TLS 1.3 session with these secrets.
    static func pair(
        _ suite: RecordSuite, client: [UInt8]? = nil, server: [UInt8]? = nil
    ) throws -> (client: Side, server: Side) {
        let client = client ?? (0..<suite.hashLength).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) }
        let server = server ?? (0..<suite.hashLength).map { UInt8(truncatingIfNeeded: $0 * 5 + 9) }
        guard let clientKeys = TrafficKeys.keys(secret: client, suite),
            let serverKeys = TrafficKeys.keys(secret: server, suite)
        else { throw RecordViolation.exhausted }
        return (
            try Side(.tls13, suite, isServer: false, reading: serverKeys, writing: clientKeys),
            try Side(.tls13, suite, isServer: true, reading: clientKeys, writing: serverKeys)
        )
    }

    /// Both sides of a TLS 1.2 session with this master secret.
    static func legacyPair(_ suite: RecordSuite) throws -> (client: Side, server: Side) {
        var (client, server) = try TrafficKeys.legacyKeys(
            master: (0..<48).map { UInt8($0) }, clientRandom: [UInt8](repeating: 1, count: 32),
            serverRandom: [UInt8](repeating: 2, count: 32), suite)
        client.explicitBase = 0xFFFF_FFFF_FFFF_FFF0
        server.explicitBase = 77
        return (
            try Side(.tls12, suite, isServer: false, reading: server, writing: client),
            try Side(.tls12, suite, isServer: true, reading: client, writing: server)
        )
    }

    init(
        _ version: RecordVersion, _ suite: RecordSuite, isServer: Bool, reading: RecordKeys, writing: RecordKeys
    ) throws {
        cipher = try RecordCipher()
        parameters = RecordParameters(version: version, suite: suite, isServer: isServer)
        self.reading = RecordReading(keys: reading)
        self.writing = writing
    }

    /// A session as it was taken over.
    init(_ taken: TakenOverSession) throws {
        cipher = try RecordCipher()
        parameters = taken.parameters
        reading = taken.reading
        writing = taken.writing
    }

    /// The same side of a thread that has this cipher.
    func sharing(_ cipher: RecordCipher) -> Side {
        var side = self
        side.cipher = cipher
        return side
    }

    mutating func seal(_ plaintext: [UInt8], type: UInt8 = 23) throws -> [UInt8] {
        var output = [UInt8](repeating: 0, count: plaintext.count + RecordLayer.overhead(parameters))
        var span = output.mutableSpan
        let count = try RecordLayer.seal(
            plaintext.span, type: type, parameters, &writing, cipher, owner: owner, into: &span, at: 0)
        precondition(count == output.count, "a record of another length than was said")
        return output
    }

    mutating func sealKeyUpdate(isRequesting: Bool) throws -> [UInt8] {
        var output = [UInt8](repeating: 0, count: 5 + RecordLayer.overhead(parameters))
        var span = output.mutableSpan
        _ = try RecordLayer.sealKeyUpdate(
            isRequesting: isRequesting, parameters, &writing, cipher, owner: owner, into: &span, at: 0)
        return output
    }

    mutating func sealAlert(level: UInt8, _ description: UInt8) throws -> [UInt8] {
        var output = [UInt8](repeating: 0, count: 2 + RecordLayer.overhead(parameters))
        var span = output.mutableSpan
        _ = try RecordLayer.sealAlert(
            level: level, description, parameters, &writing, cipher, owner: owner, into: &span, at: 0)
        return output
    }

    /// What the record was, and its application data.
    mutating func open(_ record: [UInt8]) throws -> (RecordLayer.Opened, [UInt8]) {
        guard let length = try RecordLayer.length(of: record.span, parameters) else {
            return (.nothing, [])
        }
        precondition(length == record.count, "\(length) of \(record.count) bytes")
        var output = [UInt8](repeating: 0xAA, count: record.count)
        do {
            var span = output.mutableSpan
            let opened = try RecordLayer.open(
                record.span, parameters, &reading, cipher, owner: owner, into: &span, at: 0)
            if case .data(let count) = opened { return (opened, Array(output[..<count])) }
            return (opened, [])
        } catch RecordViolation.badRecordMAC {
            // Not one byte of what did not verify.
            precondition(output.allSatisfy { $0 == 0 || $0 == 0xAA }, "plaintext was released before its tag")
            throw RecordViolation.badRecordMAC
        }
    }
}
