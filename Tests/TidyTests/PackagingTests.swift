// What is installed agrees with what the unit starts and the configuration names.

import Foundation
import Glibc
import Testing

@Suite("An installation")
struct PackagingTests {
    private static func text(_ path: String) throws -> String {
        try String(contentsOf: Repository.root.appendingPathComponent(path), encoding: .utf8)
    }

    /// Runs a command of the shell in the repository. Not by Foundation's `Process`, which waits for ever for a child
    /// when others that inherited its socket live on.
    private static func run(_ command: String) -> Int32 {
        // Sound: the text is lent for the duration of the call.
        unsafe system("cd '\(Repository.root.path)' && \(command) >/dev/null 2>&1")
    }

    @Test("puts the program where its unit starts it, whatever the prefix", arguments: ["/usr", "/usr/local"])
    func paths(prefix: String) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("understudy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = folder.appendingPathComponent("program")
        try Data("#!/bin/sh\n".utf8).write(to: program)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
        let place = folder.appendingPathComponent("root")
        let variables = "BINARY='\(program.path)' DESTDIR='\(place.path)' PREFIX=\(prefix)"
        #expect(Self.run("make install \(variables)") == 0)
        let unit = try String(
            contentsOf: place.appendingPathComponent("lib/systemd/system/understudy.service"), encoding: .utf8)
        let commands = unit.split(separator: "\n").filter { $0.hasPrefix("Exec") }.map { line in
            String(line.drop { $0 != "=" }.dropFirst().prefix { $0 != " " })
        }
        #expect(commands.count == 5)
        for command in Set(commands) {
            #expect(FileManager.default.isExecutableFile(atPath: place.path + command), "\(command)")
        }
        for path in ["etc/understudy/understudy.conf", "usr/lib/sysusers.d/understudy.conf"] {
            #expect(FileManager.default.fileExists(atPath: place.appendingPathComponent(path).path), "\(path)")
        }
    }

    @Test("makes the user and the group that the example configuration names")
    func user() throws {
        let users = try Self.text("systemd/understudy.sysusers")
        let example = try Self.text("conf/understudy.conf")
        #expect(users.contains("u understudy "))
        #expect(example.contains("user   understudy ") && example.contains("group understudy "))
    }

    @Test("every file that README and unit speak of is there")
    func files() throws {
        let readme = try Self.text("README.md")
        for word in readme.split(whereSeparator: { " \n`()[];:,".contains($0) })
        where word.hasPrefix("conf/") || word.hasPrefix("docs/") {
            let path = Repository.root.appendingPathComponent(String(word)).path
            #expect(FileManager.default.fileExists(atPath: path), "\(word)")
        }
        let unit = try Self.text("systemd/understudy.service")
        // Five quick failures in a row must not be the end of a host, nor a stop that was ordered the beginning of a new start.
        for line in ["StartLimitIntervalSec=0", "Restart=on-failure", "RuntimeDirectoryPreserve=yes"] {
            #expect(unit.split(separator: "\n").contains { $0 == line }, "\(line)")
        }
        // A manual page would have to be installed as well.
        #expect(!unit.contains("man:"))
    }
}
