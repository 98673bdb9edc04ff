// What may stand behind a directive: the grammar of its arguments, and how people read it.

/// The arguments of a directive.
package indirect enum Syntax: Sendable {
    /// Exactly this word. `foreign`: what other programs call it, for the hint.
    case word(String, foreign: [String] = [])
    /// A value, shown as `placeholder` and looked up by it.
    case value(String, ValueKind)
    /// One or more values, up to the end or one of these words; each is looked up by `placeholder`.
    case several(String, ValueKind, until: [String])
    case sequence([Syntax])
    /// One of these; told apart by their first word, at most one of them begins with a value.
    case either([Syntax])
    /// As often as its first word stands there, at most so many times; several values of one name are kept in order.
    case repeated(Syntax, most: Int)
    /// Each at most once, in any order, after everything else.
    case options([Option])

    /// `every DURATION`, or a flag such as `backup`.
    package struct Option: Sendable {
        package var keyword: String
        /// `nil`: a flag.
        package var value: (placeholder: String, kind: ValueKind)?
        /// What holds when it is not written.
        package var defaultText: String?
        package var meaning: String

        package init(
            _ keyword: String, _ value: (placeholder: String, kind: ValueKind)?, default defaultText: String? = nil,
            _ meaning: String
        ) {
            self.keyword = keyword
            self.value = value
            self.defaultText = defaultText
            self.meaning = meaning
        }
    }

    /// Nothing may follow.
    package static let nothing = Syntax.sequence([])

    /// The grammar as people read it: `never | after DURATION`.
    package var text: String {
        let whole = text(isBrief: false)
        return whole.utf8.count <= Self.longestText ? whole : text(isBrief: true)
    }

    /// Beyond so many bytes the options are only hinted at; `explain` tells them one by one.
    private static let longestText = 160

    private func text(isBrief: Bool) -> String {
        switch self {
        case .word(let word, _): word
        case .value(let placeholder, _): placeholder
        case .several(let placeholder, _, _): placeholder + "…"
        case .sequence(let parts):
            parts.map { $0.nestedText(isBrief: isBrief) }.filter { !$0.isEmpty }.joined(separator: " ")
        case .either(let choices): choices.map { $0.text(isBrief: isBrief) }.joined(separator: " | ")
        case .repeated(let part, let most): "[\(part.text(isBrief: isBrief))]" + (most == 1 ? "" : "…")
        case .options(let options) where isBrief: options.isEmpty ? "" : "[OPTION …]"
        case .options(let options):
            options.map { option in
                "[" + option.keyword + (option.value.map { " " + $0.placeholder } ?? "") + "]"
            }.joined(separator: " ")
        }
    }

    private func nestedText(isBrief: Bool) -> String {
        let inner = text(isBrief: isBrief)
        if case .either = self { return "(\(inner))" }
        return inner
    }

    /// Every kind of value in the grammar with its placeholder, in order.
    package var values: [(placeholder: String, kind: ValueKind)] {
        switch self {
        case .word: []
        case .value(let placeholder, let kind), .several(let placeholder, let kind, _): [(placeholder, kind)]
        case .sequence(let parts), .either(let parts): parts.flatMap(\.values)
        case .repeated(let part, _): part.values
        case .options(let options): options.compactMap(\.value)
        }
    }

    /// The options of the grammar, in order.
    package var options: [Option] {
        switch self {
        case .word, .value, .several: []
        case .sequence(let parts), .either(let parts): parts.flatMap(\.options)
        case .repeated(let part, _): part.options
        case .options(let options): options
        }
    }
}

extension Syntax: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self = .word(value) }
}
