// A configuration while it is read: the values so far, and where each of them was written.

/// What the reader hands to the cross-checks.
struct Draft {
    /// An object of the configuration: the block that was opened as the n-th of its context.
    struct Object: Hashable {
        var context: Context
        var index: Int

        static let top = Object(context: .top, index: 0)
    }

    /// A directive that was written and understood.
    struct Occurrence: Hashable {
        var directive: Directive
        var range: SourceRange
        var arguments: Arguments
    }

    var configuration = Configuration()
    var diagnostics: [Diagnostic] = []
    /// Where each object's block was opened: its name and arguments.
    private(set) var headers: [Object: SourceRange] = [:]
    private var occurrences: [Object: [Occurrence]] = [:]
    /// Directives that were written, understood or not: what is here is not missing.
    private var written: [Object: Set<Directive>] = [:]
    /// Blocks with an unknown directive: it may be the one that seems to be missing.
    private var doubtful: Set<Object> = []
    /// Words of directives that were not understood: a name among them is not undefined, only misspelt elsewhere.
    private(set) var namesInDoubt: Set<String> = []

    mutating func open(_ object: Object, at range: SourceRange) { headers[object] = range }

    mutating func note(_ directive: Directive, in object: Object) { written[object, default: []].insert(directive) }

    mutating func add(_ occurrence: Occurrence, in object: Object) {
        occurrences[object, default: []].append(occurrence)
    }

    mutating func doubt(_ object: Object, _ words: [Word]) {
        doubtful.insert(object)
        for word in words { namesInDoubt.insert(word.text) }
    }

    func isDoubtful(_ object: Object) -> Bool { doubtful.contains(object) }
    func isWritten(_ directive: Directive, in object: Object) -> Bool { written[object]?.contains(directive) ?? false }

    /// Every time `directive` was written and understood in `object`, in the order of the file.
    func all(_ directive: Directive, in object: Object) -> [Occurrence] {
        occurrences[object]?.filter { $0.directive == directive } ?? []
    }

    func first(_ directive: Directive, in object: Object) -> Occurrence? {
        occurrences[object]?.first { $0.directive == directive }
    }

    /// Everything that was understood, object by object.
    var everything: [(object: Object, occurrences: [Occurrence])] {
        occurrences.map { ($0.key, $0.value) }.sorted { a, b in
            (a.0.context.rawValue, a.0.index) < (b.0.context.rawValue, b.0.index)
        }
    }

    /// Objects of a context, in the order of the file.
    func objects(_ context: Context) -> [Object] {
        headers.keys.filter { $0.context == context }.sorted { $0.index < $1.index }
    }
}
