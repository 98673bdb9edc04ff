// The directive table: every word of the language, once, with all there is to know about it.

/// The short name inside this module.
typealias Context = Directive.Context

/// One directive of the language.
///
/// The one table of these drives the parser, the checker, `check`, `explain`, the difference between two
/// configurations and the manuals. A directive exists when it stands here, and nowhere else.
package struct Directive: Sendable {
    /// A place where directives stand: the top level, or inside one kind of block.
    package enum Context: Int, Hashable, Sendable, CaseIterable {
        case top, node, pair, vrrp, syncGroup, script, listen, listenTLS, backend, backendTLS, stickTable, status, admin, log, drain

        /// The directive that opens blocks of this kind; `nil` at the top level.
        package var opener: Directive? { Directive.all.first { $0.opens == self } }

        /// For messages: `at the top level`, `in vrrp`, `in tls of listen`.
        package var text: String {
            guard let opener else { return "at the top level" }
            return "in \(opener.name)" + (opener.context.opener.map { " of \($0.name)" } ?? "")
        }
    }

    /// What a reload does with a changed value.
    package enum Reload: Int, Hashable, Comparable, Sendable {
        /// Holds from the next event on, for what is already running too.
        case inPlace
        /// Holds for sessions that begin after the reload.
        case newSessions
        /// Holds when the next balancer takes over: after `understudy upgrade`, a restart, or a crash.
        case nextBalancer
        /// Is refused by a reload; the daemon must be restarted.
        case restart

        package static func < (a: Reload, b: Reload) -> Bool { a.rawValue < b.rawValue }

        package var text: String {
            switch self {
            case .inPlace: "applied in place"
            case .newSessions: "applies to new sessions"
            case .nextBalancer: "holds from the next upgrade on"
            case .restart: "needs a restart"
            }
        }
    }

    /// Whether it must, may, or may often be written in its block.
    package enum Presence: Hashable, Sendable {
        case required, optional
        case repeatable(required: Bool)

        package var isRequired: Bool { self == .required || self == .repeatable(required: true) }
        package var isRepeatable: Bool { self != .required && self != .optional }
    }

    /// One word, or two that belong together (`timeout idle`).
    package let name: String
    package let context: Directive.Context
    package let presence: Presence
    package let syntax: Syntax
    /// The kind of block it ends in; `nil`: it takes none.
    package let opens: Directive.Context?
    /// The arguments that hold when it is not written.
    package let defaultText: String?
    /// What it is for, in a sentence.
    package let meaning: String
    package let reload: Reload
    /// What keepalived, HAProxy and NGINX call it.
    package let foreign: [String]
    /// Writes understood arguments into the configuration, into the newest object of the context.
    let apply: @Sendable (inout Configuration, Arguments) -> Void
    /// The arguments as they would be written for the object at an index of its context, one text for each time.
    let show: @Sendable (Configuration, Int) -> [String]

    init(
        _ name: String, in context: Context, _ presence: Presence, _ syntax: Syntax, opens: Context? = nil,
        default defaultText: String? = nil, _ meaning: String, reload: Reload, foreign: [String] = [],
        apply: @escaping @Sendable (inout Configuration, Arguments) -> Void,
        show: @escaping @Sendable (Configuration, Int) -> [String]
    ) {
        self.name = name
        self.context = context
        self.presence = presence
        self.syntax = syntax
        self.opens = opens
        self.defaultText = defaultText
        self.meaning = meaning
        self.reload = reload
        self.foreign = foreign
        self.apply = apply
        self.show = show
    }
}

extension Directive: Hashable {
    package static func == (a: Directive, b: Directive) -> Bool { a.context == b.context && a.name == b.name }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(context)
        hasher.combine(name)
    }
}

extension Directive {
    /// Every directive, in the order a manual shows them.
    package static let all: [Directive] =
        topDirectives + nodeDirectives + pairDirectives + vrrpDirectives + syncGroupDirectives + scriptDirectives
        + listenDirectives + listenTLSDirectives + backendDirectives + backendTLSDirectives + stickTableDirectives
        + statusDirectives + adminDirectives + logDirectives + drainDirectives

    /// The directives of one context, in the order of the table.
    package static func all(in context: Directive.Context) -> [Directive] { all.filter { $0.context == context } }

    /// The words of the name.
    var nameWords: [Substring] { name.split(separator: " ") }

    /// How it is written: `advert-interval DURATION`, `node NAME { … }`.
    package var usage: String {
        let arguments = syntax.text
        return name + (arguments.isEmpty ? "" : " " + arguments) + (opens == nil ? "" : " { … }")
    }

    /// Whether its arguments begin with the name of what it defines, so that several are told apart by it.
    var isNamed: Bool {
        guard case .name? = syntax.values.first?.kind else { return false }
        return true
    }
}
