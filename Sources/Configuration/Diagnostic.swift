// What is wrong with a configuration, where, what would be right, and where the other half of a contradiction is.

/// One message about a configuration: one mistake makes one of them.
package struct Diagnostic: Hashable, Sendable {
    /// Whether the configuration is refused.
    package enum Severity: String, Hashable, Sendable { case error, warning }

    /// Another place that belongs to the message.
    package struct Note: Hashable, Sendable {
        package var message: String
        package var range: SourceRange

        package init(_ message: String, at range: SourceRange) {
            self.message = message
            self.range = range
        }
    }

    package var severity: Severity
    package var message: String
    /// Where; `nil`: the file as a whole.
    package var range: SourceRange?
    /// What to write instead, or why.
    package var help: String?
    package var notes: [Note]

    package init(
        _ severity: Severity, _ message: String, at range: SourceRange?, help: String? = nil, notes: [Note] = []
    ) {
        self.severity = severity
        self.message = message
        self.range = range
        self.help = help
        self.notes = notes
    }

    /// A message that refuses the configuration.
    package static func error(
        _ message: String, at range: SourceRange?, help: String? = nil, notes: [Note] = []
    ) -> Diagnostic {
        Diagnostic(.error, message, at: range, help: help, notes: notes)
    }

    /// A message that does not.
    package static func warning(
        _ message: String, at range: SourceRange?, help: String? = nil, notes: [Note] = []
    ) -> Diagnostic {
        Diagnostic(.warning, message, at: range, help: help, notes: notes)
    }
}

// MARK: As text

extension Diagnostic {
    /// The message as people read it: `file:line:column: error: …`, the line, a caret, the help, the notes.
    ///
    /// - Parameter sources: the files the ranges point into; the first is the main file.
    package func text(in sources: [Source]) -> String {
        var out = ""
        Self.write(severity.rawValue, message, at: range, help: help, in: sources, into: &out)
        for note in notes { Self.write("note", note.message, at: note.range, help: nil, in: sources, into: &out) }
        return out
    }

    private static func write(
        _ kind: String, _ message: String, at range: SourceRange?, help: String?, in sources: [Source],
        into out: inout String
    ) {
        if let range, sources.indices.contains(range.file) {
            let source = sources[range.file]
            let line = source.line(at: range.start)
            out += "\(source.name):\(line):\(source.column(at: range.start)): \(kind): \(message)\n"
            Excerpt(source, range, line: line).write(into: &out)
        } else {
            out += "\(sources.first?.name ?? "configuration"): \(kind): \(message)\n"
        }
        if let help { out += "      = \(help)\n" }
    }
}
