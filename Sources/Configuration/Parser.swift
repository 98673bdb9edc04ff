// Tokens become a tree of directives; files that include one another become one list.

/// Parses a configuration: pure, bounded, and going on after a mistake wherever the rest still means something.
struct Parser {
    private var tree: StatementTree
    private let load: IncludeLoader
    private var count = 0
    /// Files being parsed, outermost first, with the place that included each.
    private var stack: [(name: String, includedAt: SourceRange?)] = []

    private init(_ main: Source, include load: @escaping IncludeLoader) {
        tree = StatementTree(sources: [main])
        self.load = load
    }

    /// Reads a whole configuration, beginning with `main`.
    static func parse(_ main: Source, include load: @escaping IncludeLoader) -> StatementTree {
        var parser = Parser(main, include: load)
        parser.file(0, includedAt: nil)
        return parser.tree
    }

    private mutating func file(_ index: Int, includedAt place: SourceRange?) {
        let source = tree.sources[index]
        guard source.bytes.count <= SourceLimits.fileBytes else {
            fail(
                "the file has \(source.bytes.count) bytes", at: place,
                help:
                    "at most \(SizeText.text(SourceLimits.fileBytes)); move parts of it to files of their own: include FILE"
            )
            return
        }
        stack.append((source.name, place))
        var lexer = Lexer(source, file: index)
        let statements = block(&lexer, openedAt: nil, depth: 0)
        tree.diagnostics += lexer.diagnostics
        for statement in statements {
            if statement.words[0].text == Directive.include.name, !statement.words[0].quoted, !statement.damaged {
                include(statement)
            } else {
                tree.statements.append(statement)
            }
        }
        stack.removeLast()
    }

    private mutating func fail(
        _ message: String, at range: SourceRange?, help: String? = nil, notes: [Diagnostic.Note] = []
    ) {
        tree.isWhole = false
        tree.diagnostics.append(.error(message, at: range, help: help, notes: notes))
    }
}

// MARK: Directives

extension Parser {
    /// Parses directives up to the end of the block opened at `openedAt`, or to the end of the file.
    private mutating func block(_ lexer: inout Lexer, openedAt: SourceRange?, depth: Int) -> [Statement] {
        var statements: [Statement] = []
        var words: [Word] = []
        var damaged = false

        func finish(block: [Statement]? = nil, into statements: inout [Statement]) {
            if !words.isEmpty { statements.append(Statement(words: words, block: block, damaged: damaged)) }
            words = []
            damaged = false
        }
        while true {
            let token = lexer.next()
            damaged = damaged || lexer.repaired
            lexer.repaired = false
            switch token {
            case .word(let word):
                if words.isEmpty, !admit(word) {
                    skip(&lexer)
                    return statements
                }
                guard words.count < SourceLimits.words else {
                    if !damaged {
                        tree.diagnostics.append(
                            .error("a directive has more than \(SourceLimits.words) words", at: word.range))
                    }
                    damaged = true
                    continue
                }
                words.append(word)
            case .separator, .lineEnd:
                finish(into: &statements)
            case .open(let range):
                guard depth < SourceLimits.blockDepth else {
                    fail("blocks are nested more than \(SourceLimits.blockDepth) deep", at: range)
                    skip(&lexer)
                    return statements
                }
                if words.isEmpty {
                    tree.diagnostics.append(
                        .error("a block without a directive", at: range, help: "write { on the line of its directive"))
                    let inner = block(&lexer, openedAt: range, depth: depth + 1)
                    if let last = statements.indices.last, statements[last].block == nil {
                        statements[last].block = inner
                        statements[last].damaged = true
                    }
                } else {
                    let outer = (words, damaged)
                    let inner = block(&lexer, openedAt: range, depth: depth + 1)
                    (words, damaged) = outer
                    finish(block: inner, into: &statements)
                }
            case .close(let range):
                finish(into: &statements)
                if openedAt != nil { return statements }
                fail("} without a block to close", at: range, help: "remove it, or look for a { that is missing above")
            case .end:
                finish(into: &statements)
                if let openedAt { unclosed(openedAt, statements) }
                return statements
            }
        }
    }

    /// Counts a directive against ``SourceLimits/directives``.
    private mutating func admit(_ word: Word) -> Bool {
        count += 1
        if count <= SourceLimits.directives { return true }
        if count == SourceLimits.directives + 1 {
            fail("the configuration has more than \(SourceLimits.directives) directives", at: word.range)
        }
        return false
    }

    /// Passes over the rest of the file.
    private func skip(_ lexer: inout Lexer) {
        while lexer.next() != .end {}
    }

    /// A block that ends with the file: one message, with the place where `}` is most likely missing.
    private mutating func unclosed(_ openedAt: SourceRange, _ inner: [Statement]) {
        // The innermost block is met first; its outer blocks are unclosed for the same reason.
        guard tree.isWhole else { return }
        let stranger = inner.first { statement in
            let range = statement.words[0].range
            return statement.block != nil && tree.sources[range.file].column(at: range.start) == 1
        }
        fail(
            "this block is never closed", at: openedAt, help: "add }",
            notes: stranger.map { [.init("it is still open where this block begins", at: $0.words[0].range)] } ?? [])
    }
}

// MARK: Includes

extension Parser {
    private mutating func include(_ statement: Statement) {
        let words = statement.words
        guard words.count == 2, statement.block == nil else {
            let place = words.count < 2 ? words[0].range.behind : words[words.count - 1].range
            fail("include takes one file name", at: place, help: "write: \(Directive.include.usage)")
            return
        }
        let word = words[1]
        guard !word.text.contains("*"), !word.text.isEmpty else {
            fail("include takes a file name, not a pattern", at: word.range, help: "write one include for each file")
            return
        }
        let path = tree.sources[word.range.file].path(of: word.text)
        if let open = stack.firstIndex(where: { $0.name == path }) {
            // A note is possible only where the cycle has a second place.
            let first = open + 1 < stack.count ? stack[open + 1].includedAt : nil
            fail(
                "\(word.text) includes itself", at: word.range,
                notes: first.map { [.init("it led here from this include", at: $0)] } ?? [])
            return
        }
        guard stack.count < SourceLimits.includeDepth else {
            fail("files include one another more than \(SourceLimits.includeDepth) deep", at: word.range)
            return
        }
        guard tree.sources.count < SourceLimits.files else {
            fail("the configuration has more than \(SourceLimits.files) files", at: word.range)
            return
        }
        do throws(IncludeFailure) {
            tree.sources.append(Source(name: path, bytes: try load(path)))
            file(tree.sources.count - 1, includedAt: word.range)
        } catch {
            fail("cannot read \(path): \(error.reason)", at: word.range)
        }
    }
}
