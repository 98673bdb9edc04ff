// What the table knows about a directive, for people: the answer of `understudy explain`.

extension Directive {
    /// Everything about this directive.
    package var explanation: String {
        var lines = [usage + "    " + context.text, "  " + meaning]
        for (placeholder, kind) in syntax.values where !syntax.options.contains(where: { $0.value?.0 == placeholder }) {
            if let unit = kind.unit { lines.append("  \(placeholder): \(unit)") }
        }
        for option in syntax.options {
            var line = "  \(option.keyword)" + (option.value.map { " \($0.placeholder)" } ?? "") + ": \(option.meaning)"
            if let defaultText = option.defaultText { line += " (default \(defaultText))" }
            if let unit = option.value?.kind.unit { line += "; \(unit)" }
            lines.append(line)
        }
        if let opens {
            lines.append("  holds: " + Directive.all(in: opens).map(\.name).joined(separator: ", "))
        }
        let presence =
            switch self.presence {
            case .required: "required"
            case .optional: "at most once"
            case .repeatable(required: true): "once or more often"
            case .repeatable(required: false): "as often as needed"
            }
        lines.append("  " + presence + (defaultText.map { "; default: \($0)" } ?? ""))
        lines.append("  reload: \(reload.text)")
        if !foreign.isEmpty { lines.append("  elsewhere: \(foreign.joined(separator: ", "))") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The directives a reader may mean by some words: by full name, by first word, or by what another program calls
    /// them; a block's name in front (`listen timeout idle`) chooses among equals.
    package static func matching(_ words: [String]) -> [Directive] {
        let phrase = words.joined(separator: " ")
        let exact = all.filter { $0.name == phrase }
        let begun = all.filter { $0.name.hasPrefix(phrase + " ") }
        if !exact.isEmpty { return exact + begun }
        if let first = words.first, let opener = all.first(where: { $0.name == first && $0.opens != nil }) {
            let rest = words.dropFirst().joined(separator: " ")
            let inside = all.filter { $0.context == opener.opens && $0.name == rest }
            if !inside.isEmpty { return inside }
        }
        return begun.isEmpty ? all.filter { $0.foreign.contains(phrase) } : begun
    }

    /// The nearest name to an unknown one.
    package static func suggestion(for phrase: String) -> String? {
        Suggestion.nearest(to: phrase, in: all.map(\.name))
    }

    /// Every directive in one line each, block by block.
    package static var overview: String {
        var out = ""
        for context in Context.allCases {
            out += context == .top ? "at the top level\n" : "\n" + context.text + "\n"
            for directive in all(in: context) {
                let usage = "  " + directive.usage
                let pad = String(repeating: " ", count: max(2, 34 - usage.unicodeScalars.count))
                out += usage + (usage.unicodeScalars.count > 40 ? "\n" + String(repeating: " ", count: 34) : pad)
                out += directive.meaning + "\n"
            }
        }
        return out
    }
}
