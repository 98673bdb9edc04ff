// From bytes to a configuration, or to everything that is wrong with them.

package import Wire

/// The short name inside this module.
typealias Host = Checker.Host

/// Checks a configuration: lexer, parser, directive table and cross-checks in one.
package enum Checker {
    /// Who is asking: what a host knows about itself when it reads the file that is the same on both hosts.
    package struct Host: Hashable, Sendable {
        /// The node this host is said to be (`--node NAME`); `nil`: found by ``addresses``.
        package var node: String?
        /// The addresses of this host's interfaces.
        package var addresses: [IPAddress]

        package init(node: String? = nil, addresses: [IPAddress] = []) {
            self.node = node
            self.addresses = addresses
        }
    }

    /// What came of it.
    package struct Outcome: Sendable {
        /// `nil` when there is an error.
        package var configuration: Configuration?
        /// Errors and warnings, in the order of the files.
        package var diagnostics: [Diagnostic]
        /// The files that were read; the first is the main file.
        package var sources: [Source]

        /// All messages as people read them; empty when there is nothing to say.
        package var text: String {
            diagnostics.map { $0.text(in: sources) }.joined(separator: "\n")
        }
    }

    /// Reads and checks a whole configuration.
    ///
    /// - Parameters:
    ///   - main: the main file.
    ///   - host: who this host is among the nodes of the file.
    ///   - include: gives the bytes of files named by `include` and by access rules.
    ///   - judge: judges certificates, keys and lists of tls blocks; `nil`: they are not looked at.
    ///   - readsLists: whether the files of access rules are read; without it they count as good, and their rules are empty.
    package static func check(
        _ main: Source, as host: Host,
        include: @escaping IncludeLoader = { _ throws(IncludeFailure) in
            throw IncludeFailure("no other file may be read here")
        },
        judge: TLSJudge? = nil, readsLists: Bool = true
    ) -> Outcome {
        let tree = Parser.parse(main, include: include)
        var outcome = Outcome(configuration: nil, diagnostics: tree.diagnostics, sources: tree.sources)
        // With unmatched braces every further message would be a guess.
        if tree.isWhole {
            var draft = Reader.read(tree.statements)
            if readsLists { AccessFiles.read(into: &draft, &outcome.sources, load: include) }
            var check = CrossCheck(draft, isSpelt: tree.diagnostics.isEmpty)
            check.run(as: host, judge: judge)
            outcome.diagnostics += check.diagnostics
            if !outcome.diagnostics.contains(where: { $0.severity == .error }) {
                outcome.configuration = check.configuration
            }
        }
        outcome.diagnostics = sorted(outcome.diagnostics)
        return outcome
    }

    /// In the order of the files, messages about the whole file first; bounded.
    private static func sorted(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
        var sorted = diagnostics.enumerated().sorted { a, b in
            switch (a.element.range, b.element.range) {
            case (let x?, let y?): x == y ? a.offset < b.offset : x < y
            case (nil, _?): true
            case (_?, nil): false
            case (nil, nil): a.offset < b.offset
            }
        }.map(\.element)
        if sorted.count > SourceLimits.diagnostics {
            let rest = sorted.count - SourceLimits.diagnostics
            // Errors come before warnings when not all of them are shown.
            sorted = sorted.filter { $0.severity == .error } + sorted.filter { $0.severity == .warning }
            sorted.removeLast(rest)
            sorted.append(.error("\(rest) more messages are not shown", at: nil))
        }
        return sorted
    }
}
