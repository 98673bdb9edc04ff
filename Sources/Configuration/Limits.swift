// The bounds of a configuration file: what may be read before any of it is believed.

/// Bounds on what the lexer and the parser accept; each is reported by name when it is hit.
package enum SourceLimits {
    /// Bytes of one file.
    package static let fileBytes = 1 << 20
    /// Files of one configuration, includes counted.
    package static let files = 64
    /// Files that include one another in a row.
    package static let includeDepth = 8
    /// Blocks inside blocks.
    package static let blockDepth = 8
    /// Directives of all files together.
    package static let directives = 20_000
    /// Words of one directive.
    package static let words = 64
    /// Bytes of one word.
    package static let wordBytes = 4096
    /// Mistakes told of one list of networks; the rest of it is not read.
    package static let listMistakes = 5
    /// Messages of one run; the rest is counted.
    package static let diagnostics = 100
}
