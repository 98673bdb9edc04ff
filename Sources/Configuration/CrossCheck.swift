// What no directive can know alone: names that must exist, and settings that contradict one another.

import Wire

/// Checks a draft as a whole. Every message has the place of the other half where there is one.
struct CrossCheck {
    let draft: Draft
    /// False when words were repaired: then nothing is said about what seems unused.
    let isSpelt: Bool
    /// The configuration, completed with what only the whole file tells.
    var configuration: Configuration
    private(set) var diagnostics: [Diagnostic]

    init(_ draft: Draft, isSpelt: Bool) {
        self.draft = draft
        self.isSpelt = isSpelt
        configuration = draft.configuration
        diagnostics = draft.diagnostics
    }

    /// Sets the default of version 2, which cannot have that of version 3.
    mutating func setInterval(_ interval: Duration, of router: Draft.Object) {
        configuration.routers[router.index].advertInterval = interval
    }

    var hasErrors: Bool { !isSpelt || diagnostics.contains { $0.severity == .error } }

    /// - Parameter judge: knows the files of tls blocks; `nil`: nobody can read them here.
    mutating func run(as host: Host, judge: TLSJudge? = nil) {
        checkNames()
        checkReferences()
        checkServerIdentities()
        checkNodes()
        checkRouters()
        checkTracking()
        checkListeners()
        checkBackends()
        checkRoutes()
        checkSources(host)
        checkRoom()
        checkChecks()
        checkTables()
        completeTLS()
        checkProxying()
        checkRewriting()
        checkOpaque()
        checkTLS(judge)
        checkWebSockets()
        checkAdmission()
        checkLog()
        if configuration.log.targets.isEmpty { configuration.log.targets = [.init(.standardError)] }
        recognise(host)
        for index in configuration.routers.indices {
            guard let local = configuration.local else { break }
            configuration.routers[index].priority = configuration.routers[index].priority(on: local)
        }
    }

    mutating func error(
        _ message: String, at range: SourceRange?, help: String? = nil, notes: [Diagnostic.Note?] = []
    ) {
        diagnostics.append(.error(message, at: range, help: help, notes: notes.compactMap { $0 }))
    }

    mutating func warn(
        _ message: String, at range: SourceRange?, help: String? = nil, notes: [Diagnostic.Note?] = []
    ) {
        diagnostics.append(.warning(message, at: range, help: help, notes: notes.compactMap { $0 }))
    }

    /// A value that was written, with its object and its place.
    struct Place<T> {
        var value: T
        var object: Draft.Object
        var range: SourceRange
    }

    /// Every written value of a directive that takes one, over all objects of its context, in the order of the file.
    func places<T>(_ directive: Directive, _ read: (Arguments) -> (T, SourceRange)?) -> [Place<T>] {
        draft.objects(directive.context).flatMap { object in
            draft.all(directive, in: object).compactMap { occurrence in
                read(occurrence.arguments).map { Place(value: $0.0, object: object, range: $0.1) }
            }
        }
    }
}

extension CrossCheck.Place: Sendable where T: Sendable {}

// MARK: Names

extension CrossCheck {
    /// Two things of one kind with one name.
    private mutating func checkNames() {
        for (_, occurrences) in draft.everything {
            var first: [Directive: [String: SourceRange]] = [:]
            for occurrence in occurrences where occurrence.directive.isNamed {
                guard let name = occurrence.arguments.text("NAME"), let range = occurrence.arguments.range("NAME")
                else { continue }
                if let other = first[occurrence.directive]?[name] {
                    error(
                        "a second \(occurrence.directive.name) is called \"\(name)\"", at: range,
                        help: "give it another name", notes: [.init("the first one is here", at: other)])
                } else {
                    first[occurrence.directive, default: [:]][name] = range
                }
            }
        }
    }

    /// Names that nothing in the file bears.
    private mutating func checkReferences() {
        var known: [String: [String]] = [:]
        for occurrence in draft.everything.flatMap(\.occurrences) where occurrence.directive.opens != nil {
            if let name = occurrence.arguments.text("NAME") {
                known[occurrence.directive.name, default: []].append(name)
            }
        }
        for occurrence in draft.everything.flatMap(\.occurrences) {
            for (placeholder, kind) in occurrence.directive.syntax.values {
                guard case .reference(let target) = kind, let name = occurrence.arguments.text(placeholder),
                    let range = occurrence.arguments.range(placeholder)
                else { continue }
                let names = known[target] ?? []
                // A name near one that was not understood is that one: its mistake has its message.
                guard !names.contains(name), Suggestion.nearest(to: name, in: draft.namesInDoubt) == nil else {
                    continue
                }
                let help: String
                if let near = Suggestion.nearest(to: name, in: names) {
                    help = "did you mean \"\(near)\"?"
                } else if names.isEmpty {
                    help = "add: \(target) \(name) { … }"
                } else {
                    help = "there is: " + names.joined(separator: ", ")
                }
                error("no \(target) is called \"\(name)\"", at: range, help: help)
            }
        }
    }

    /// Servers are known to the other node by a hash of their name: two names must not share one.
    private mutating func checkServerIdentities() {
        let servers = places(.server) { arguments in
            arguments.text("NAME").flatMap { name in arguments.range("NAME").map { (name, $0) } }
        }
        guard let (a, b) = Self.collision(servers.map { $0.value }, hash: stableHash) else { return }
        error(
            "the server names \"\(servers[a].value)\" and \"\(servers[b].value)\" have the same identity",
            at: servers[b].range, help: "give one of them another name",
            notes: [.init("the other one is here", at: servers[a].range)])
    }

    /// Indices of the first two different names with one hash.
    static func collision(_ names: [String], hash: (String) -> UInt64) -> (Int, Int)? {
        var seen: [UInt64: Int] = [:]
        for (index, name) in names.enumerated() {
            let identity = hash(name)
            if let other = seen[identity] {
                if names[other] != name { return (other, index) }
            } else {
                seen[identity] = index
            }
        }
        return nil
    }
}

// MARK: Who this host is

extension CrossCheck {
    /// Finds this host among the nodes.
    private mutating func recognise(_ host: Host) {
        let objects = draft.objects(.node)
        // A node with a mistake in it could be the one.
        let isClear = objects.allSatisfy { draft.first(.nodeAddress, in: $0) != nil } && !draft.isDoubtful(.top)
        guard isClear else { return }
        let nodes = configuration.nodes
        let names = nodes.map(\.name).joined(separator: ", ")
        if let name = host.node {
            if nodes.contains(where: { $0.name == name }) {
                configuration.node = name
            } else if nodes.isEmpty {
                error("--node \(name) was given, but the file has no node", at: nil, help: "leave --node out")
            } else {
                error("no node is called \"\(name)\" (--node)", at: nil, help: "there is: \(names)")
            }
            return
        }
        guard !nodes.isEmpty else { return }
        let matching = nodes.indices.filter { !nodes[$0].addresses.allSatisfy { !host.addresses.contains($0) } }
        let places = places(.nodeAddress) { arguments in
            arguments.range("ADDRESS").map { (arguments.address("ADDRESS"), $0) }
        }
        if matching.count == 1 {
            configuration.node = nodes[matching[0]].name
        } else if matching.isEmpty {
            let own = host.addresses.filter { !$0.isLoopback && !$0.isLinkLocal }.prefix(8).map(\.description)
            error(
                "this host is none of the nodes: it has "
                    + (own.isEmpty ? "no address of its own" : own.joined(separator: ", ")),
                at: places.first?.range, help: "correct an address, or say who it is: --node \(nodes[0].name)",
                notes: places.dropFirst().map { .init("nor this one", at: $0.range) })
        } else if !hasErrors {
            error(
                "this host has the addresses of more than one node", at: places.first?.range,
                help: "say who it is: --node \(nodes[0].name)",
                notes: places.dropFirst().map { .init("and this one", at: $0.range) })
        }
    }
}

extension IPAddress {
    /// 127.0.0.0/8 and ::1.
    var isLoopback: Bool {
        switch self {
        case .v4(let address): address.value >> 24 == 127
        case .v6(let address): address.high == 0 && address.low == 1
        }
    }

    /// Why no host can have this address as its own; `nil`: one can.
    var unusable: String? {
        if isUnspecified { return "is no address" }
        if isMulticast { return "is a multicast address" }
        if case .v4(let address) = self, address.value == .max { return "is the broadcast address" }
        return nil
    }
}
