// TLS records: what arrives, and what is inside of one that was genuine.

import TLS
import Wire

extension FuzzTarget {
    /// One side that reads and one that writes, by the same secrets.
    private struct Sides {
        let cipher: RecordCipher
        let parameters: RecordParameters
        var reading: RecordReading
        var writing: RecordKeys

        init(_ version: RecordVersion) throws {
            cipher = try RecordCipher()
            parameters = RecordParameters(version: version, suite: .aes128GCM, isServer: true)
            switch version {
            case .tls13:
                let secret = (0..<RecordSuite.aes128GCM.hashLength).map { UInt8($0 &* 7 &+ 1) }
                guard let keys = TrafficKeys.keys(secret: secret, .aes128GCM) else {
                    throw FuzzFinding(description: "no keys")
                }
                reading = RecordReading(keys: keys)
                writing = keys
            case .tls12:
                let keys = try TrafficKeys.legacyKeys(
                    master: (0..<48).map { UInt8($0) }, clientRandom: [UInt8](repeating: 1, count: 32),
                    serverRandom: [UInt8](repeating: 2, count: 32), .aes128GCM)
                reading = RecordReading(keys: keys.client)
                writing = keys.client
            }
        }

        mutating func open(_ record: [UInt8]) -> Result<RecordLayer.Opened, RecordViolation> {
            var output = [UInt8](repeating: 0, count: record.count)
            var span = output.mutableSpan
            do throws(RecordViolation) {
                return .success(
                    try RecordLayer.open(record.span, parameters, &reading, cipher, owner: 0, into: &span, at: 0))
            } catch { return .failure(error) }
        }
    }

    /// A stream of records of somebody who has no keys: measured, and never opened.
    static let records = FuzzTarget(
        name: "tls-records", words: [[23, 3, 3], [21, 3, 3], [22, 3, 3], [0, 17], [0x40, 0x11], [0xFF, 0xFF]]
    ) { bytes in
        var outcome = ""
        for version in RecordVersion.allCases {
            var sides = try Sides(version)
            var rest = bytes
            while true {
                let length: Int?
                do throws(RecordViolation) { length = try RecordLayer.length(of: rest.span, sides.parameters) } catch {
                    outcome += "\(error)/"
                    break
                }
                guard let length, length <= rest.count else {
                    outcome += "more/"
                    break
                }
                try demand(length > 5, "a record of \(length) bytes")
                guard case .failure(let violation) = sides.open(Array(rest.prefix(length))) else {
                    throw FuzzFinding(description: "a forged record was opened")
                }
                outcome += "\(violation) "
                rest.removeFirst(length)
                if outcome.utf8.count > 80 { break }
            }
        }
        return outcome
    }

    /// What genuine records carry: alerts, handshake messages in pieces, key updates. The first byte is the type of the
    /// content, the second how long the first piece is; what remains goes into a second record.
    static let recordContent = FuzzTarget(
        name: "tls-content",
        words: [[22, 5, 24, 0, 0, 1, 0], [21, 2, 1, 0], [21, 2, 2, 40], [22], [4, 0, 0], [0, 0, 0, 0], [0xFF]]
    ) { bytes in
        guard bytes.count >= 2 else { return "short" }
        let content = Array(bytes[2...])
        let cut = min(content.count, Int(bytes[1]))
        var outcome = ""
        for version in RecordVersion.allCases {
            var sides = try Sides(version)
            for piece in [content[..<cut], content[cut...]] where !piece.isEmpty {
                let plain = Array(piece)
                var output = [UInt8](repeating: 0, count: plain.count + RecordLayer.overhead(sides.parameters))
                var span = output.mutableSpan
                let type: UInt8 = 21 + bytes[0] % 3
                let count = try RecordLayer.seal(
                    plain.span, type: type, sides.parameters, &sides.writing, sides.cipher, owner: 0, into: &span, at: 0)
                switch sides.open(Array(output[..<count])) {
                case .success(.data(let length)):
                    try demand(length == plain.count, "\(length) of \(plain.count) bytes")
                    outcome += "data "
                case .success(let opened):
                    outcome += "\(opened) "
                    // Who changed its keys seals with the next ones.
                    if case .keyUpdate = opened { sides.writing = sides.reading.keys }
                case .failure(let violation):
                    try demand(violation != .badRecordMAC, "a genuine record does not verify")
                    outcome += "\(violation) "
                }
            }
            outcome += "/"
        }
        return outcome
    }
}
