// The same answers for programs: a checked configuration and its messages as JSON.

package import Wire

extension Explanation {
    /// Who this host is, the times that follow from the file, and every setting in effect as it would be written.
    package var json: JSON {
        var members: [JSON.Member] = [
            .init("node", JSON(configuration.node)),
            .init("peer", JSON(configuration.peer?.name)),
        ]
        for block in configuration.blocks where block.context == .top { members += Self.settings(of: block) }
        for opener in Directive.all(in: .top) {
            guard let context = opener.opens else { continue }
            let blocks = configuration.blocks.filter { $0.context == context }
            if opener.presence.isRepeatable {
                members.append(.init(opener.name, .array(blocks.map { .object(object($0)) })))
            } else {
                members.append(.init(opener.name, blocks.first.map { .object(object($0)) } ?? .null))
            }
        }
        return .object(members)
    }

    private func object(_ block: Configuration.Block) -> [JSON.Member] {
        var members = block.name.isEmpty ? [] : [JSON.Member("name", .string(block.name))]
        members += Self.settings(of: block)
        for inner in configuration.blocks where inner.parent == block.title && !inner.parent.isEmpty {
            members.append(.init(inner.context.opener?.name ?? "", .object(object(inner))))
        }
        guard block.context == .vrrp, let router = configuration.routers.first(where: { $0.name == block.name }),
            let peer = configuration.peer
        else { return members }
        let theirs = router.priority(on: peer)
        members.append(.init("effective_priority", JSON(router.priority)))
        members.append(.init("peer_priority", JSON(theirs)))
        members.append(.init("takeover_ms", Self.milliseconds(router.downInterval(priority: router.priority))))
        members.append(.init("peer_takeover_ms", Self.milliseconds(router.downInterval(priority: theirs))))
        return members
    }

    private static func settings(of block: Configuration.Block) -> [JSON.Member] {
        block.settings.compactMap { setting in
            let directive = setting.directive
            if directive.presence.isRepeatable {
                // What is resolved while reading, such as include, shows nothing here.
                if setting.arguments.isEmpty, directive.context == .top { return nil }
                return .init(directive.name, .array(setting.shown.map { .string($0) }))
            }
            if case .sequence(let parts) = directive.syntax, parts.isEmpty {
                return .init(directive.name, .bool(!setting.arguments.isEmpty))
            }
            return .init(directive.name, JSON(setting.shown.first))
        }
    }

    private static func milliseconds(_ duration: Duration) -> JSON {
        .number(Double(duration.nanoseconds / 1000) / 1000)
    }
}

extension Checker.Outcome {
    /// Whether the configuration is good, its messages, and what it means.
    package var json: JSON {
        .object([
            .init("ok", .bool(configuration != nil)),
            .init("messages", .array(diagnostics.map { $0.json(in: sources) })),
            .init("configuration", configuration.map { Explanation($0).json } ?? .null),
        ])
    }
}

extension Diagnostic {
    /// The message with its place as file, line and column.
    func json(in sources: [Source]) -> JSON {
        .object(
            [
                .init("severity", .string(severity.rawValue)), .init("message", .string(message)),
                .init("help", JSON(help)), .init("at", Self.place(range, in: sources)),
                .init(
                    "notes",
                    .array(
                        notes.map {
                            .object([
                                .init("message", .string($0.message)), .init("at", Self.place($0.range, in: sources)),
                            ])
                        })),
            ])
    }

    private static func place(_ range: SourceRange?, in sources: [Source]) -> JSON {
        guard let range, sources.indices.contains(range.file) else { return .null }
        let source = sources[range.file]
        return .object([
            .init("file", .string(source.name)), .init("line", JSON(source.line(at: range.start))),
            .init("column", JSON(source.column(at: range.start))),
        ])
    }
}
