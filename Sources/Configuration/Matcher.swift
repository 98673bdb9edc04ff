// Matches the words behind a directive against its grammar, and says what is missing or too much.

/// Walks a grammar and the words of one directive side by side; no backtracking, every step takes a word or ends.
struct Matcher {
    /// Why the words are not what the grammar wants, and where.
    struct Mismatch: Error, Hashable {
        var message: String
        var range: SourceRange
        var help: String?
    }

    private let directive: Directive
    private let words: ArraySlice<Word>
    private var index: Int
    /// Where something is missing when the words run out.
    private let end: SourceRange
    private var arguments = Arguments()

    /// - Parameter words: all words of the directive, its name included.
    static func match(_ directive: Directive, _ words: [Word]) throws(Mismatch) -> Arguments {
        var matcher = Matcher(directive, words)
        try matcher.match(directive.syntax)
        if let extra = matcher.next {
            throw Mismatch(
                message: "unexpected \"\(extra.text.excerpt)\"", range: extra.range, help: "write: \(directive.usage)")
        }
        return matcher.arguments
    }

    private init(_ directive: Directive, _ words: [Word]) {
        self.directive = directive
        self.words = words.dropFirst(directive.nameWords.count)
        index = self.words.startIndex
        end = words[words.count - 1].range.behind
    }

    private var next: Word? { index < words.endIndex ? words[index] : nil }

    private mutating func match(_ syntax: Syntax) throws(Mismatch) {
        switch syntax {
        case .word(let wanted, _):
            guard let word = next, word.text == wanted, !word.quoted else { throw unfit([syntax]) }
            index += 1
            arguments.add(word: wanted)
        case .value(let placeholder, let kind):
            try value(placeholder, kind, key: placeholder)
        case .several(let placeholder, let kind, let stops):
            repeat { try value(placeholder, kind, key: placeholder) } while next.map { !stops.contains($0.text) } ?? false
        case .sequence(let parts):
            for part in parts { try match(part) }
        case .either(let choices):
            if let word = next, !word.quoted, let choice = choices.first(where: { $0.firstWords.contains(word.text) }) {
                try match(choice)
            } else if next != nil, let choice = choices.first(where: \.beginsWithValue) {
                try match(choice)
            } else {
                throw unfit(choices)
            }
        case .repeated(let part, let most):
            var count = 0
            while count < most, let word = next, !word.quoted, part.firstWords.contains(word.text) {
                try match(part)
                count += 1
            }
        case .options(let options):
            try match(options)
        }
    }

    private mutating func value(_ placeholder: String, _ kind: ValueKind, key: String) throws(Mismatch) {
        guard let word = next else { throw missing(placeholder) }
        do throws(Refusal) {
            arguments.add(key, try kind.parse(word.text), at: word.range)
        } catch {
            throw Mismatch(message: error.message, range: word.range, help: error.help)
        }
        index += 1
    }

    private mutating func match(_ options: [Syntax.Option]) throws(Mismatch) {
        var seen: Set<String> = []
        while let word = next {
            guard let option = options.first(where: { $0.keyword == word.text }), !word.quoted else {
                let near = Suggestion.nearest(to: word.text, in: options.map(\.keyword))
                throw Mismatch(
                    message: "unknown option \"\(word.text.excerpt)\" of \(directive.name)", range: word.range,
                    help: near.map { "did you mean \"\($0)\"?" } ?? "write: \(directive.usage)")
            }
            guard seen.insert(option.keyword).inserted else {
                throw Mismatch(message: "\"\(option.keyword)\" is written twice", range: word.range)
            }
            index += 1
            if let (placeholder, kind) = option.value {
                try value("\(option.keyword) \(placeholder)", kind, key: option.keyword)
            } else {
                arguments.add(word: option.keyword)
            }
        }
    }

    private func missing(_ what: String) -> Mismatch {
        Mismatch(message: "\(directive.name) lacks \(what)", range: end, help: "write: \(directive.usage)")
    }

    /// The next word is none of these.
    private func unfit(_ choices: [Syntax]) -> Mismatch {
        let known = choices.flatMap(\.firstWords)
        guard let word = next else { return missing(choices.map(\.text).joined(separator: " | ")) }
        let translated = choices.first { $0.foreignWords.contains(word.text.lowercased()) }?.text
        let near = translated ?? Suggestion.nearest(to: word.text, in: known)
        return Mismatch(
            message: "\(directive.name) knows no \"\(word.text.excerpt)\"", range: word.range,
            help: near.map { "did you mean \"\($0)\"?" } ?? "write: \(directive.usage)")
    }
}

extension Syntax {
    /// The fixed words this may begin with.
    fileprivate var firstWords: [String] {
        switch self {
        case .word(let word, _): [word]
        case .value, .several, .options: []
        case .sequence(let parts): parts.first?.firstWords ?? []
        case .either(let choices): choices.flatMap(\.firstWords)
        case .repeated(let part, _): part.firstWords
        }
    }

    fileprivate var foreignWords: [String] {
        switch self {
        case .word(_, let foreign): foreign
        case .value, .several, .options: []
        case .sequence(let parts): parts.first?.foreignWords ?? []
        case .either(let choices): choices.flatMap(\.foreignWords)
        case .repeated(let part, _): part.foreignWords
        }
    }

    fileprivate var beginsWithValue: Bool {
        switch self {
        case .value, .several: true
        case .sequence(let parts): parts.first?.beginsWithValue ?? false
        case .word, .either, .options, .repeated: false
        }
    }
}
