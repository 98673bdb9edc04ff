// The configuration seen through the directive table: its blocks, and each block's settings as they would be written.

extension Configuration {
    /// One block of the configuration, or the top level, with every setting that holds in it.
    struct Block: Hashable, Sendable {
        /// A directive of the block and its arguments, one text for each time it would be written.
        struct Setting: Hashable, Sendable {
            let directive: Directive
            let arguments: [String]
            /// The same without secrets, for whoever reads it.
            let shown: [String]

            /// - Parameter texts: as `show` has them, with marked secrets.
            init(directive: Directive, texts: [String]) {
                self.directive = directive
                arguments = texts.map(Secret.reveal)
                shown = texts.map(Secret.hide)
            }

            /// Whether it says what would hold without it.
            var isDefault: Bool { arguments == [directive.defaultText] }
        }

        var context: Context
        /// Empty for blocks without a name and for the top level.
        var name: String
        var settings: [Setting]
        /// Title of the block it stands in; empty for the top level and the blocks there.
        var parent = ""

        /// `backend emqx`, `pair`, `listen mqtts tls`; empty for the top level.
        var title: String {
            guard let opener = context.opener else { return "" }
            return (parent.isEmpty ? "" : parent + " ") + (name.isEmpty ? opener.name : "\(opener.name) \(name)")
        }
    }

    /// The top level, then every block followed by those inside it, in the order of the table and of the file.
    var blocks: [Block] {
        var blocks = [block(.top, name: "", index: 0)]
        /// How many blocks of a kind came so far: an object's index counts over the whole file.
        var counts: [Context: Int] = [:]
        for opener in Directive.all(in: .top) {
            guard let context = opener.opens else { continue }
            for (index, name) in opener.show(self, 0).enumerated() {
                let outer = block(context, name: name, index: index)
                blocks.append(outer)
                for opener in Directive.all(in: context) {
                    guard let context = opener.opens else { continue }
                    for name in opener.show(self, index) {
                        var inner = block(context, name: name, index: counts[context, default: 0])
                        inner.parent = outer.title
                        counts[context, default: 0] += 1
                        blocks.append(inner)
                    }
                }
            }
        }
        return blocks
    }

    private func block(_ context: Context, name: String, index: Int) -> Block {
        let settings = Directive.all(in: context).filter { $0.opens == nil }.map {
            Block.Setting(directive: $0, texts: $0.show(self, index))
        }
        return Block(context: context, name: name, settings: settings)
    }

    /// The whole configuration in its own language, every default written out: reading it gives the same again.
    package var text: String {
        var out = ""
        let blocks = blocks
        for block in blocks where block.parent.isEmpty {
            guard block.context != .top else {
                out += block.lines(indent: "")
                continue
            }
            out += "\n\(block.title) {\n" + block.lines(indent: "    ")
            for inner in blocks where inner.parent == block.title {
                let header = (inner.context.opener?.name ?? "") + (inner.name.isEmpty ? "" : " " + inner.name)
                out += "    \(header) {\n" + inner.lines(indent: "        ") + "    }\n"
            }
            out += "}\n"
        }
        return out
    }
}

extension Configuration.Block {
    /// Its settings as they would be written, a line each.
    fileprivate func lines(indent: String) -> String {
        var out = ""
        for setting in settings {
            for arguments in setting.arguments {
                out += indent + setting.directive.name + (arguments.isEmpty ? "" : " " + arguments) + "\n"
            }
        }
        return out
    }
}
