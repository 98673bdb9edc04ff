// What a reload would change: two configurations compared block by block, in words.

import Wire

extension Configuration {
    /// What is different between two configurations, by the directive table: every setting is compared as it would be
    /// written, and each change says what a reload does with it.
    package struct Difference: Hashable, Sendable {
        /// One changed thing.
        package struct Change: Hashable, Sendable {
            /// The block it is in: `backend emqx`; empty at the top level.
            package var subject: String
            /// What happened, in words: `added`, `limit connections was 10, is 20`.
            package var text: String
            package var reload: Directive.Reload

            /// The change as a line for people.
            package var line: String { (subject.isEmpty ? "" : subject + ": ") + text + " (\(reload.text))" }
        }

        /// In the order of the table and of the files; empty when nothing is different.
        package private(set) var changes: [Change] = []

        package var isEmpty: Bool { changes.isEmpty }
        /// Whether one of the changes is none that a reload can make.
        package var needsRestart: Bool { changes.contains { $0.reload == .restart } }
        /// One line for each change.
        package var text: String { changes.map { $0.line + "\n" }.joined() }

        package init(from old: Configuration, to new: Configuration) {
            if old.node != new.node {
                let names = [old.node, new.node].map { $0 ?? "none of the nodes" }
                add("", "this host was \(names[0]), is \(names[1])", .restart)
            }
            let before = old.blocks
            let after = new.blocks
            for block in before where !after.contains(where: { $0.title == block.title }) {
                add(block.title, "removed", block.context.opener?.reload ?? .inPlace)
            }
            for block in after {
                if let other = before.first(where: { $0.title == block.title }) {
                    for (x, y) in zip(other.settings, block.settings) where x != y { compare(block.title, x, y) }
                    if block.context == .listen { compareLists(block, old, new) }
                } else {
                    add(block.title, "added", block.context.opener?.reload ?? .inPlace)
                }
            }
        }

        private mutating func add(_ subject: String, _ text: String, _ reload: Directive.Reload) {
            changes.append(Change(subject: subject, text: text, reload: reload))
        }

        /// Lists of networks whose files changed while the rules that name them stayed.
        private mutating func compareLists(_ block: Block, _ old: Configuration, _ new: Configuration) {
            func lists(_ configuration: Configuration) -> [String: Set<IPPrefix>] {
                let listener = configuration.listeners.first { $0.name == block.name }
                var lists: [String: Set<IPPrefix>] = [:]
                for case .file(let path, let networks) in listener?.admission.access.map(\.subject) ?? [] {
                    lists[path] = Set(networks)
                }
                return lists
            }
            let before = lists(old)
            for (path, networks) in lists(new).sorted(by: { $0.key < $1.key }) {
                guard let former = before[path], former != networks else { continue }
                let added = networks.subtracting(former).count
                let removed = former.subtracting(networks).count
                add(
                    block.title, "\(path) lists \(added) networks more and \(removed) fewer than before",
                    Directive.access.reload)
            }
        }

        private mutating func compare(_ subject: String, _ old: Block.Setting, _ new: Block.Setting) {
            let directive = new.directive
            guard directive.presence.isRepeatable else {
                let texts = [old, new].map { $0.shown.first.map { $0.isEmpty ? "written" : $0 } ?? "not written" }
                let what =
                    texts[0] == texts[1]
                    ? "\(directive.name) has another secret" : "\(directive.name) was \(texts[0]), is \(texts[1])"
                add(subject, what, directive.reload)
                return
            }
            let before = directive.split(old.arguments)
            let after = directive.split(new.arguments)
            var isMembershipEqual = true
            for (key, _) in before where !after.contains(where: { $0.key == key }) {
                isMembershipEqual = false
                add(subject, "\(directive.name) \(key) removed", directive.reload)
            }
            for (key, rest) in after {
                if let other = before.first(where: { $0.key == key }) {
                    guard other.rest != rest else { continue }
                    add(subject, "\(directive.name) \(key) was \(other.rest), is \(rest)", directive.reload)
                } else {
                    isMembershipEqual = false
                    add(
                        subject, "\(directive.name) \(key) added" + (rest.isEmpty ? "" : ": \(rest)"), directive.reload)
                }
            }
            if isMembershipEqual, before.map(\.key) != after.map(\.key) {
                let keys = after.map(\.key).joined(separator: ", ")
                add(subject, "\(directive.name): the order is now \(keys)", directive.reload)
            }
        }
    }
}

extension Directive {
    /// Whether its first argument says which of several it is, and something follows.
    private var isToldApart: Bool {
        switch syntax.values.first?.kind {
        case .name?, .reference?, .interface?, .path?: syntax.values.count > 1
        default: false
        }
    }

    /// Arguments told apart by their first word where that is a name, else as a whole.
    fileprivate func split(_ arguments: [String]) -> [(key: String, rest: String)] {
        arguments.map { text in
            guard isToldApart, let space = text.endOfFirstWord else { return (text, "") }
            return (String(text[..<space]), String(text[text.index(after: space)...]))
        }
    }
}

extension String {
    /// Where the first word, perhaps a quoted one, ends in a text of several; `nil` when there is only one.
    fileprivate var endOfFirstWord: String.Index? {
        guard first == "\"" else { return firstIndex(of: " ") }
        var isEscaped = false
        for index in indices.dropFirst() {
            if self[index] == "\"", !isEscaped { return self[index...].firstIndex(of: " ") }
            isEscaped = self[index] == "\\" && !isEscaped
        }
        return nil
    }
}
