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

    @Test("is a package that dpkg installs, keeps the configuration of, and removes")
    func debian() throws {
        guard Self.run("command -v dpkg dpkg-deb dpkg-query") == 0 else { return }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("understudy-\(UUID().uuidString)")
        let root = folder.appendingPathComponent("root")
        for part in ["updates", "info"] {
            try FileManager.default.createDirectory(
                at: root.appendingPathComponent("var/lib/dpkg/\(part)"), withIntermediateDirectories: true)
        }
        try Data().write(to: root.appendingPathComponent("var/lib/dpkg/status"))
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = folder.appendingPathComponent("program")
        /// Makes the package of a program that says it is of that version, and installs it.
        func install(_ version: String) throws {
            try Data("#!/bin/sh\necho understudy \(version)\n".utf8).write(to: program)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
            #expect(Self.run("packaging/make-deb.sh '\(program.path)' '\(folder.path)'") == 0)
            #expect(Self.dpkg(root, "--install '\(folder.path)'/understudy_\(version)_*.deb") == 0)
        }
        func isThere(_ path: String) -> Bool {
            FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
        }
        try install("1.0")
        let files = [
            "usr/sbin/understudy", "lib/systemd/system/understudy.service", "usr/lib/sysusers.d/understudy.conf",
            "usr/share/doc/understudy/README.md",
        ]
        for file in files { #expect(isThere(file), "\(file)") }
        #expect(FileManager.default.isExecutableFile(atPath: root.appendingPathComponent("usr/sbin/understudy").path))
        // What the operator wrote is his, also after the next version.
        let configuration = root.appendingPathComponent("etc/understudy/understudy.conf")
        let written = Data("listen mqtt { bind *:1883; use brokers }\n".utf8)
        try written.write(to: configuration)
        try install("1.1")
        #expect(try Data(contentsOf: configuration) == written)
        #expect(Self.dpkg(root, "--remove understudy") == 0)
        #expect(!isThere("usr/sbin/understudy") && isThere("etc/understudy/understudy.conf"))
        #expect(Self.dpkg(root, "--purge understudy") == 0)
        #expect(!isThere("etc/understudy/understudy.conf"))
        // Without a version there is no package.
        try Data("#!/bin/sh\necho something else\n".utf8).write(to: program)
        #expect(Self.run("packaging/make-deb.sh '\(program.path)' '\(folder.path)'") != 0)
    }

    /// dpkg in a directory of its own, whose scripts are told so.
    private static func dpkg(_ root: URL, _ words: String) -> Int32 {
        run("PATH=$PATH:/usr/sbin:/sbin dpkg --root='\(root.path)' --force-not-root --force-script-chrootless --force-confold \(words)")
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
