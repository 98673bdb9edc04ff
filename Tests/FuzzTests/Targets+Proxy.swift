// What stands before and around MQTT: PROXY headers, WebSocket upgrades and frames.

import ProxyProtocol
import WebSocket
import Wire

extension FuzzTarget {
    private static func header(_ bytes: Span<UInt8>) -> Result<ProxyHeaderReader.Outcome, ProxyViolation> {
        do throws(ProxyViolation) { return .success(try ProxyHeaderReader().read(bytes)) } catch { return .failure(error) }
    }

    /// Makes the length of a version 2 header fit.
    private static func measuredHeader(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 16, bytes[0] == 0x0D else { return bytes }
        var bytes = bytes
        bytes[14] = UInt8((bytes.count - 16) >> 8)
        bytes[15] = UInt8((bytes.count - 16) & 0xFF)
        return bytes
    }

    /// A PROXY header of version 1 or 2.
    static let proxyHeader = FuzzTarget(
        name: "proxy-header",
        words: [
            Array("PROXY TCP4 ".utf8), Array("PROXY TCP6 ".utf8), Array("UNKNOWN".utf8), [0x0D, 0x0A], [0x20],
            [0x21, 0x11], [0x21, 0x21], [0x20, 0x00], [0x03, 0, 4], [0x20, 0, 5], [0x21], [0xFF, 0xFF], Array("::1".utf8),
        ], repair: measuredHeader
    ) { bytes in
        switch header(bytes.span) {
        case .success(.needMore(let atLeast)):
            try demand(atLeast > bytes.count, "needMore asks for \(atLeast) of \(bytes.count)")
            return "more"
        case .success(.header(let found)):
            try demand((8...bytes.count).contains(found.length), "a header of \(found.length) of \(bytes.count) bytes")
            // The same when nothing follows, and not a byte earlier.
            try demand(
                header(bytes.span.extracting(0..<found.length)) == .success(.header(found)), "what follows matters")
            guard case .success(.needMore) = header(bytes.span.extracting(0..<(found.length - 1))) else {
                throw FuzzFinding(description: "a header without its last byte")
            }
            var walk = TLVWalk(found.tlvs)
            var count = 0
            while let item = try walk.next(in: bytes.span) {
                count += 1
                try demand(item.value.upperBound <= found.length, "a TLV beyond the header")
            }
            return "\(found.version) \(found.isLocal) \(min(4, count)) \(found.ssl != nil) \(found.authority != nil)"
        case .failure(let violation): return "\(violation)"
        }
    }

    private static let httpWords: [[UInt8]] = [
        "\r\n", "\r\n\r\n", "\n", ": ", " ", "\t", "GET ", "HTTP/1.1", "HTTP/1.0", "Host: a\r\n", "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n", "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Protocol: mqtt\r\n",
        "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n", "X-Forwarded-For: 10.0.0.1\r\n", "%00", "//", "\u{0}",
    ].map { Array($0.utf8) }

    /// Reads whole and in pieces, demands the same, and returns it.
    private static func samePieces<Answer: Equatable>(
        _ bytes: [UInt8], _ needsMore: Answer, _ reader: () -> (Span<UInt8>) -> Answer
    ) throws -> Answer {
        let whole = reader()(bytes.span)
        let pieces = reader()
        var count = 0
        var last = needsMore
        while count < bytes.count {
            count = min(bytes.count, count + 1 + Int(bytes[count] & 15))
            last = pieces(bytes.span.extracting(0..<count))
            if last != needsMore { break }
        }
        if count > 0 { try demand(last == whole, "the whole is \(whole), in pieces \(last)") }
        return whole
    }

    /// A request for a WebSocket.
    static let upgradeRequest = FuzzTarget(name: "http-upgrade-request", words: httpWords) { bytes in
        typealias Answer = Result<UpgradeRequestReader.Outcome, UpgradeRefusal>
        let answer = try samePieces(bytes, Answer.success(.needMore)) {
            var reader = UpgradeRequestReader()
            return { span in
                do throws(UpgradeRefusal) { return .success(try reader.read(span)) } catch { return .failure(error) }
            }
        }
        switch answer {
        case .success(.needMore): return "more"
        case .success(.request(let request)):
            try demand(request.length <= bytes.count, "a request longer than its bytes")
            return "\(request.subprotocol.map { "\($0)" } ?? "-") \(request.origin != nil) \(request.query != nil)"
        case .failure(let refusal):
            try demand(!refusal.response.isEmpty, "a refusal without an answer")
            return "\(refusal.reason)"
        }
    }

    /// What comes to the status pages.
    static let pageRequest = FuzzTarget(
        name: "http-page-request", words: httpWords + [Array("GET /metrics HTTP/1.1\r\n\r\n".utf8), Array("HEAD ".utf8)]
    ) { bytes in
        typealias Answer = Result<PageRequest?, PageRequest.Refusal>
        let answer = try samePieces(bytes, Answer.success(nil)) {
            var reader = PageRequestReader()
            return { span in
                do throws(PageRequest.Refusal) { return .success(try reader.read(span)) } catch { return .failure(error) }
            }
        }
        switch answer {
        case .success(nil): return "more"
        case .success(let request?):
            try demand(request.path.hasPrefix("/"), "a path without its slash")
            return "\(request.isHead) \(request.path == "/metrics") \(request.path == "/")"
        case .failure(let refusal): return "\(refusal.status)"
        }
    }

    /// A server's answer to ours.
    static let upgradeResponse = FuzzTarget(
        name: "http-upgrade-response", words: httpWords + [Array("HTTP/1.1 101 x\r\n".utf8)]
    ) { bytes in
        typealias Answer = Result<UpgradeResponseReader.Outcome, UpgradeResponseReader.Failure>
        let offer = UpgradeOffer(host: "b1", target: "/mqtt", key: "dGhlIHNhbXBsZSBub25jZQ==")
        let answer = try samePieces(bytes, Answer.success(.needMore)) {
            var reader = UpgradeResponseReader(to: offer)
            return { span in
                do throws(UpgradeResponseReader.Failure) { return .success(try reader.read(span)) } catch {
                    return .failure(error)
                }
            }
        }
        switch answer {
        case .success(.needMore): return "more"
        case .success(.accepted(let length)):
            try demand(length <= bytes.count, "an answer longer than its bytes")
            return "accepted"
        case .failure(.status): return "status"
        case .failure(let failure): return "\(failure)"
        }
    }

    /// All that a stream of frames says, read in pieces of these sizes.
    private static func heard(_ bytes: [UInt8], isPeerClient: Bool, piece: Int) throws -> (data: [UInt8], outcome: String) {
        var reader = FrameReader(policy: FramePolicy(isPeerClient: isPeerClient, maximumFrame: 65_536))
        var data: [UInt8] = []
        var outcome = ""
        var start = 0
        while start < bytes.count {
            var part = Array(bytes[start..<min(bytes.count, start + piece)])
            start += part.count
            var offset = 0
            while offset < part.count {
                let step: FrameReader.Step
                do throws(FrameViolation) {
                    var span = part.mutableSpan
                    step = try reader.next(&span, from: offset)
                } catch { return (data, outcome + "\(error)") }
                try demand(step.end > offset && step.end <= part.count, "a step from \(offset) to \(step.end)")
                offset = step.end
                switch step.event {
                case .needMore: break
                case .data(let range): data += part[range]
                case .ping(let frame): outcome += "ping\(frame.count.bitWidth - frame.count.leadingZeroBitCount) "
                case .pong: outcome += "pong "
                case .close(let frame): outcome += "close\(min(3, frame.count)) "
                }
            }
        }
        return (data, outcome + (reader.isBetweenMessages ? "whole" : "open"))
    }

    /// WebSocket frames of a client and of a server.
    static let frames = FuzzTarget(
        name: "websocket-frames",
        words: [[0x82, 0x80, 0, 0, 0, 0], [0x02], [0x80], [0x88, 0x82], [0x89], [0x8A], [0xFE], [0xFF], [0x7E, 0, 126]]
    ) { bytes in
        var outcome = ""
        for isPeerClient in [true, false] {
            let whole = try heard(bytes, isPeerClient: isPeerClient, piece: max(1, bytes.count))
            let pieces = try heard(bytes, isPeerClient: isPeerClient, piece: 1)
            try demand(
                whole == pieces, "whole: \(whole.outcome), \(whole.data.count); pieces: \(pieces.outcome), \(pieces.data.count)"
            )
            outcome += whole.outcome.prefix(60) + "/"
        }
        return outcome
    }
}
