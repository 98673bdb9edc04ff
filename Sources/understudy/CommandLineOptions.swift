// The arguments of a subcommand, told apart.

/// Words, flags and options with a value.
struct CommandLineOptions {
    /// What is wrong with them.
    struct Wrong: Error { var message: String }

    /// What is no option, in order.
    private(set) var words: [String] = []
    private var flags: Set<String> = []
    private var values: [String: String] = [:]

    /// - Parameters:
    ///   - flags: options without a value, `--json`.
    ///   - values: options that take one, `--config`.
    ///   - words: how many words there may be.
    init(
        _ arguments: [String], flags: Set<String> = [], values: Set<String> = [], words limits: ClosedRange<Int>
    ) throws(Wrong) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if flags.contains(argument) {
                self.flags.insert(argument)
            } else if values.contains(argument) {
                guard let value = rest.popFirst() else { throw Wrong(message: "\(argument) needs a value") }
                self.values[argument] = value
            } else if argument.hasPrefix("-") {
                throw Wrong(message: "unknown option \"\(argument)\"")
            } else {
                words.append(argument)
            }
        }
        guard words.count >= limits.lowerBound else { throw Wrong(message: "an argument is missing") }
        guard words.count <= limits.upperBound else {
            throw Wrong(message: "one argument too many: \"\(words[limits.upperBound])\"")
        }
    }

    func has(_ flag: String) -> Bool { flags.contains(flag) }

    func value(_ option: String) -> String? { values[option] }
}
