// Reads the tree of directives by the directive table: what each one is, whether it may stand there, what it sets.

/// Turns directives into a draft of the configuration, with one message for each mistake.
struct Reader {
    private var draft = Draft()

    static func read(_ statements: [Statement]) -> Draft {
        var reader = Reader()
        reader.block(statements, in: .top)
        return reader.draft
    }

    private mutating func block(_ statements: [Statement], in object: Draft.Object) {
        for statement in statements { read(statement, in: object) }
        reportMissing(in: object)
    }

    private mutating func read(_ statement: Statement, in object: Draft.Object) {
        guard let directive = find(statement, in: object) else {
            draft.doubt(object, statement.words)
            return
        }
        let isRepeated = draft.isWritten(directive, in: object)
        draft.note(directive, in: object)
        if isRepeated, !directive.presence.isRepeatable {
            guard !statement.damaged else { return }
            let first = draft.first(directive, in: object)
            report(
                "\(directive.name) is written twice", at: statement.range,
                notes: first.map { [.init("it was written here already", at: $0.range)] } ?? [])
            return
        }
        let arguments = self.arguments(of: directive, statement)
        let place = Draft.Occurrence(directive: directive, range: statement.range, arguments: arguments ?? Arguments())
        if let context = directive.opens {
            // A block whose name was not understood is read all the same: what is wrong inside is its own mistake.
            directive.apply(&draft.configuration, place.arguments)
            let inner = Draft.Object(context: context, index: draft.objects(context).count)
            draft.open(inner, at: statement.range)
            if arguments == nil {
                draft.doubt(object, statement.words)
            } else {
                draft.add(place, in: object)
            }
            if let statements = statement.block {
                block(statements, in: inner)
            } else if !statement.damaged, arguments != nil {
                report("\(directive.name) needs a block", at: statement.range.behind, help: "write: \(directive.usage)")
            }
        } else if arguments != nil {
            directive.apply(&draft.configuration, place.arguments)
            draft.add(place, in: object)
        }
    }

    /// The understood arguments; `nil` after a message.
    private mutating func arguments(of directive: Directive, _ statement: Statement) -> Arguments? {
        guard !statement.damaged else { return nil }
        if directive.opens == nil, statement.block != nil {
            report("\(directive.name) takes no block", at: statement.range, help: "write: \(directive.usage)")
            return nil
        }
        do throws(Matcher.Mismatch) {
            return try Matcher.match(directive, statement.words)
        } catch {
            report(error.message, at: error.range, help: error.help)
            return nil
        }
    }

    /// One message for all that a block lacks.
    private mutating func reportMissing(in object: Draft.Object) {
        guard !draft.isDoubtful(object) else { return }
        let missing = Directive.all(in: object.context).filter {
            $0.presence.isRequired && !draft.isWritten($0, in: object)
        }
        guard !missing.isEmpty else { return }
        let names = missing.map(\.name).joined(separator: ", ")
        let usages = missing.map(\.usage).joined(separator: "; ")
        if let header = draft.headers[object], let opener = object.context.opener {
            report("this \(opener.name) has no \(names)", at: header, help: "add: \(usages)")
        } else {
            report("the file has no \(names)", at: nil, help: "add: \(usages)")
        }
    }

    private mutating func report(
        _ message: String, at range: SourceRange?, help: String? = nil, notes: [Diagnostic.Note] = []
    ) {
        draft.diagnostics.append(.error(message, at: range, help: help, notes: notes))
    }
}

// MARK: Names

extension Reader {
    /// The directive a statement is; `nil` after a message.
    private mutating func find(_ statement: Statement, in object: Draft.Object) -> Directive? {
        let words = statement.words
        let candidates = Directive.all(in: object.context).filter { $0.nameWords[0] == words[0].text }
        if !words[0].quoted {
            if let directive = candidates.first(where: { $0.nameWords.count == 1 }) { return directive }
            if words.count > 1, let directive = candidates.first(where: { $0.nameWords[1] == words[1].text }) {
                return directive
            }
        }
        guard !statement.damaged else { return nil }
        if !candidates.isEmpty, !words[0].quoted {
            reportSecondWord(words, candidates, in: object)
        } else {
            report(
                "unknown directive \"\(words[0].text.excerpt)\" \(object.context.text)", at: words[0].range,
                help: help(for: words, in: object.context))
        }
        return nil
    }

    /// `timeout` alone, or `timeout conect`.
    private mutating func reportSecondWord(_ words: [Word], _ candidates: [Directive], in object: Draft.Object) {
        let first = words[0].text
        guard words.count > 1 else {
            report(
                "\(first) of what?", at: words[0].range.behind,
                help: "write: " + candidates.map(\.usage).joined(separator: "; "))
            return
        }
        let near = Suggestion.nearest(to: words[1].text, in: candidates.map { String($0.nameWords[1]) })
        let translated = ForeignWords.advice(for: words.map(\.text), in: object.context)
        report(
            "unknown directive \"\(first) \(words[1].text.excerpt)\" \(object.context.text)",
            at: words[0].range.through(words[1].range),
            help: translated ?? near.map { "did you mean \"\(first) \($0)\"?" }
                ?? "there is: " + candidates.map(\.usage).joined(separator: "; "))
    }

    /// What was meant by an unknown directive.
    private func help(for words: [Word], in context: Context) -> String? {
        let name = words[0].text
        let elsewhere = Directive.all.filter { $0.nameWords[0] == name }
        if !elsewhere.isEmpty {
            var places: [String] = []
            for directive in elsewhere where !places.contains(directive.context.text) {
                places.append(directive.context.text)
            }
            return "\(name) stands \(places.joined(separator: " or "))"
        }
        if let advice = ForeignWords.advice(for: words.map(\.text), in: context) { return advice }
        let here = Directive.all(in: context)
        if let near = Suggestion.nearest(to: name, in: here.map { String($0.nameWords[0]) }) {
            return "did you mean \"\(near)\"?"
        }
        return "there is: " + here.map(\.name).joined(separator: ", ")
    }
}
