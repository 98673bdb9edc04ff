// What is wrong with the files and lists of a tls block: asked by the checker, found by whoever can read them.

/// Something about a tls block that only the disk and the TLS library know.
package struct TLSFinding: Hashable, Sendable {
    package var severity: Diagnostic.Severity
    /// The name of the directive it is about.
    package var directive: String
    /// Which time that directive was written in its block, from 0.
    package var occurrence: Int
    package var message: String
    package var help: String?

    package init(
        _ severity: Diagnostic.Severity, _ directive: String, at occurrence: Int = 0, _ message: String,
        help: String? = nil
    ) {
        self.severity = severity
        self.directive = directive
        self.occurrence = occurrence
        self.message = message
        self.help = help
    }
}

/// A tls block to be judged.
package enum TLSQuestion: Hashable, Sendable {
    case listener(name: String, Configuration.ListenerTLS)
    case backend(name: String, Configuration.BackendTLS)
}

/// Judges the files and lists of a tls block; called once for each block that is understood and free of contradictions.
package typealias TLSJudge = (TLSQuestion) -> [TLSFinding]
