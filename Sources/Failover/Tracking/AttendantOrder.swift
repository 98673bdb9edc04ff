// What `vip` and its attendant say to one another.

import Control
import Wire

/// Everything the attendant is to look at from now on; what is not named is forgotten.
///
/// Form: JSON, because it is rare and both ends are one process.
struct AttendantOrder: ControlMessage, Hashable {
    /// A program that is run again and again.
    struct Script: Hashable {
        var name: String
        var command: String
        var arguments: [String]
        /// From the start of one run to the start of the next.
        var interval: Duration
        var timeout: Duration
        /// Whom it runs as; `nil`: ``User/forScripts()``.
        var user: String?
    }

    /// Paths of files with a number.
    var files: [String] = []
    var scripts: [Script] = []

    var isEmpty: Bool { files.isEmpty && scripts.isEmpty }
    var descriptorCount: Int { 0 }

    init() {}

    func write(into bytes: inout [UInt8]) {
        let json: JSON = [
            "files": .array(files.map { .string($0) }),
            "scripts": .array(
                scripts.map { script in
                    [
                        "name": .string(script.name), "command": .string(script.command),
                        "arguments": .array(script.arguments.map { .string($0) }),
                        "interval_ms": JSON(script.interval.wholeMilliseconds),
                        "timeout_ms": JSON(script.timeout.wholeMilliseconds),
                        "user": script.user.map { .string($0) } ?? .null,
                    ]
                }),
        ]
        bytes += Array(json.text.utf8)
    }

    init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        let json = try JSON(message: bytes)
        files = json["files"]?.array?.compactMap(\.string) ?? []
        for item in json["scripts"]?.array ?? [] {
            guard let name = item["name"]?.string, let command = item["command"]?.string,
                let arguments = item["arguments"]?.array?.compactMap(\.string),
                let interval = item["interval_ms"]?.integer, let timeout = item["timeout_ms"]?.integer
            else { throw MalformedMessage("a script that lacks something") }
            scripts.append(
                Script(
                    name: name, command: command, arguments: arguments, interval: .milliseconds(interval),
                    timeout: .milliseconds(timeout), user: item["user"]?.string))
        }
    }
}

extension JSON {
    /// A message that is one JSON value.
    init(message bytes: Span<UInt8>) throws(MalformedMessage) {
        do { self = try JSON(parsing: bytes) } catch { throw MalformedMessage("JSON: \(error.reason)") }
    }
}
