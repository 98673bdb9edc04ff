// Text and messages of our own: JSON of the admin socket, answers of name servers, frames of the pair link.

import Replication
import Wire

extension FuzzTarget {
    /// A request on the admin socket.
    static let json = FuzzTarget(
        name: "json",
        words: ["{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud83d\\ude00", "\\", "-", "1e9", "0.1", "true", "null", " "]
            .map { Array($0.utf8) } + [[0xC3, 0x28], [0xFF]]
    ) { bytes in
        let value: JSON
        do throws(JSON.Malformed) { value = try JSON(parsing: bytes.span) } catch { return error.reason }
        let text = value.text
        try demand((try? JSON(parsing: text)) == value, "a value is written as \(text)")
        return "\(text.utf8.first ?? 0) \(min(6, value.array?.count ?? 0))"
    }

    /// A message of a name server.
    static let nameAnswer = FuzzTarget(
        name: "name-answer", words: [[0xC0, 0x0C], [0xC0, 0x00], [0, 1, 0, 1], [0, 5, 0, 1], [0, 4], [0x81, 0x80], [0x3F]]
    ) { bytes in
        guard let question = NameQuestion("b1.example", family: .ipv4, identifier: 0x1234) else {
            throw FuzzFinding(description: "the question is none")
        }
        guard let answer = question.answer(bytes) else { return "none" }
        return String("\(answer)".prefix(24))
    }

    /// The bytes of a peer: HELLO and whatever follows; each refusal closes the link.
    static let pairLink = FuzzTarget(
        name: "pair-link", words: [[0, 0, 0, 1], [1], [2], [3], [4], [5], [0xFF, 0xFF, 0xFF, 0xFF], Array("lb2".utf8)]
    ) { bytes in
        let now = Instant(nanoseconds: 1_000_000_000)
        func outcome(piece: Int) -> String {
            var session = PeerSession(settings: .init(name: "lb1", instance: 7, peer: "lb2"), tables: [])
            _ = session.handle(.connected, at: now)
            var words = ""
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + piece)
                for action in session.receive(bytes.span.extracting(start..<end), at: now) {
                    switch action {
                    case .close(let refusal): words += "close \(refusal.label) "
                    case .up: words += "up "
                    case .peerFacts: words += "facts "
                    case .tableRefused: words += "table "
                    case .down: words += "down "
                    // Said once for all that came in one piece.
                    case .inSync: break
                    }
                }
                start = end
            }
            return words
        }
        let whole = outcome(piece: max(1, bytes.count))
        let pieces = outcome(piece: 3)
        try demand(whole == pieces, "whole: \(whole), in pieces: \(pieces)")
        return String(whole.prefix(80))
    }
}
