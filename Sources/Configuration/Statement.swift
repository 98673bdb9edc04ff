// The tree of directives before anybody has asked what they mean.

/// A directive as written: words up to the end of the line, and perhaps a block.
struct Statement: Hashable, Sendable {
    /// Never empty.
    var words: [Word]
    /// The directives in `{ … }`; `nil`: no block was written.
    var block: [Statement]?
    /// A message about its spelling was already given: nothing more is said about it.
    var damaged = false

    /// All its words.
    var range: SourceRange { words[0].range.through(words[words.count - 1].range) }
}

/// Why a file that `include` names could not be read.
package struct IncludeFailure: Error, Hashable, Sendable {
    /// As the system says it: `No such file or directory`.
    package var reason: String
    package init(_ reason: String) { self.reason = reason }
}

/// Gives the bytes of an included file; the path is resolved against the file that includes it.
package typealias IncludeLoader = (_ path: String) throws(IncludeFailure) -> [UInt8]

/// All files of a configuration as one list of directives, `include` resolved.
struct StatementTree {
    var sources: [Source]
    var statements: [Statement] = []
    var diagnostics: [Diagnostic] = []
    /// False when braces do not match or a bound was hit: what the directives mean is then a guess.
    var isWhole = true
}
