// The configuration seen through the directive table: its blocks, and each block's settings as they would be written.

extension Configuration {
    /// One block of the configuration, or the top level, with every setting that holds in it.
    struct Block: Hashable, Sendable {
        /// A directive of the block and its arguments, one text for each time it would be written.
        struct Setting: Hashable, Sendable {
            var directive: Directive
            var arguments: [String]

            /// Whether it says what would hold without it.
            var isDefault: Bool { arguments == [directive.defaultText] }
        }

        var context: Context
        /// Empty for blocks without a name and for the top level.
        var name: String
        var settings: [Setting]

        /// `backend emqx`, `pair`; empty for the top level.
        var title: String {
            guard let opener = context.opener else { return "" }
            return name.isEmpty ? opener.name : "\(opener.name) \(name)"
        }
    }

    /// The top level, then every block, in the order of the table and of the file.
    var blocks: [Block] {
        var blocks = [block(.top, name: "", index: 0)]
        for opener in Directive.all(in: .top) {
            guard let context = opener.opens else { continue }
            for (index, name) in opener.show(self, 0).enumerated() {
                blocks.append(block(context, name: name, index: index))
            }
        }
        return blocks
    }

    private func block(_ context: Context, name: String, index: Int) -> Block {
        let settings = Directive.all(in: context).filter { $0.opens == nil }.map {
            Block.Setting(directive: $0, arguments: $0.show(self, index))
        }
        return Block(context: context, name: name, settings: settings)
    }

    /// The whole configuration in its own language, every default written out: reading it gives the same again.
    package var text: String {
        var out = ""
        for block in blocks {
            let indent = block.context == .top ? "" : "    "
            if block.context != .top { out += "\n\(block.title) {\n" }
            for setting in block.settings {
                for arguments in setting.arguments {
                    out += indent + setting.directive.name + (arguments.isEmpty ? "" : " " + arguments) + "\n"
                }
            }
            if block.context != .top { out += "}\n" }
        }
        return out
    }
}
