// The lists of networks that access rules name: files of one network a line.

import Wire

/// Reads the files of `access allow file` and `access deny file` into a draft.
///
/// They become sources of the configuration as included files do, so that the supervisor hands their very bytes to its
/// children and messages point into them.
struct AccessFiles {
    private var sources: [Source]
    private let load: IncludeLoader
    /// Networks of the files read so far, by path; `nil`: the file has a mistake, and its message.
    private var known: [String: [IPPrefix]?] = [:]

    /// Fills in what the access rules' files list.
    static func read(into draft: inout Draft, _ sources: inout [Source], load: @escaping IncludeLoader) {
        var files = AccessFiles(sources: sources, load: load)
        for object in draft.objects(.listen) {
            for (place, occurrence) in draft.all(.access, in: object).enumerated() {
                guard let name = occurrence.arguments.text("FILE"), let range = occurrence.arguments.range("FILE")
                else { continue }
                let path = files.sources[range.file].path(of: name)
                let networks = files.networks(at: path, namedAt: range, &draft)
                draft.configuration.listeners[object.index].admission.access[place].subject = .file(name, networks)
            }
        }
        sources = files.sources
    }

    private init(sources: [Source], load: @escaping IncludeLoader) {
        self.sources = sources
        self.load = load
    }

    private mutating func networks(at path: String, namedAt range: SourceRange, _ draft: inout Draft) -> [IPPrefix] {
        if let known = known[path] { return known ?? [] }
        guard sources.count < SourceLimits.files else {
            draft.diagnostics.append(
                .error("the configuration has more than \(SourceLimits.files) files", at: range))
            return []
        }
        do throws(IncludeFailure) {
            let source = Source(name: path, bytes: try load(path))
            sources.append(source)
            let networks = parse(source, file: sources.count - 1, namedAt: range, &draft)
            known[path] = .some(networks)
            return networks
        } catch {
            draft.diagnostics.append(.error("cannot read \(path): \(error.reason)", at: range))
            known[path] = .some(nil)
            return []
        }
    }

    private func parse(_ source: Source, file: Int, namedAt range: SourceRange, _ draft: inout Draft) -> [IPPrefix] {
        guard source.bytes.count <= SourceLimits.fileBytes else {
            draft.diagnostics.append(
                .error(
                    "the file has \(source.bytes.count) bytes", at: range,
                    help: "at most \(SizeText.text(SourceLimits.fileBytes)); several files may be named"))
            return []
        }
        var networks: [IPPrefix] = []
        var mistakes = 0
        for line in source.bytes.split(separator: 0x0A) {
            let words = line.prefix { $0 != UInt8(ascii: "#") }.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
            guard let word = words.first else { continue }
            let place = SourceRange(file: file, start: word.startIndex, end: word.endIndex)
            // A file that is no list has a mistake in every line: the first few tell.
            guard mistakes < SourceLimits.listMistakes else { break }
            guard words.count == 1 else {
                mistakes += 1
                draft.diagnostics.append(
                    .error(
                        "more than one word in a line", at: SourceRange(
                            file: file, start: words[1].startIndex, end: words[1].endIndex),
                        help: "write one network in each line; # begins a comment"))
                continue
            }
            do throws(Refusal) {
                networks.append(try AddressText.prefix(String(decoding: word, as: UTF8.self)))
            } catch {
                mistakes += 1
                draft.diagnostics.append(.error(error.message, at: place, help: error.help))
            }
        }
        return networks
    }
}

extension Source {
    /// The path another file has that this one names: a relative name is meant from the directory of this file.
    func path(of other: String) -> String {
        guard !other.hasPrefix("/"), let slash = name.lastIndex(of: "/") else { return other }
        return name[...slash] + other
    }
}
