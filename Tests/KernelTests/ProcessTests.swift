// Processes, signals, privileges, limits and notifications, on the real kernel.

import Glibc
import Linux
import Testing
import Wire

/// Turns the loop until `done`; fails the test when nothing comes for ten seconds.
private func turn(_ loop: EventLoop, until done: () -> Bool) throws {
    let limit = Clock.now + .seconds(10)
    while !done() {
        try #require(Clock.now < limit, "nothing came")
        try loop.turn(limit: .milliseconds(100))
    }
}

@Suite("A process")
struct ProcessTests {
    private func shell(_ script: String) -> Process.Launch {
        Process.Launch(path: "/bin/sh", arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"])
    }

    @Test(
        "reports how it ended",
        arguments: [
            ("exit 0", .exited(0)), ("exit 7", .exited(7)), ("kill -9 $$", .signaled(9)),
            ("kill -11 $$", .signaled(11)),
        ] as [(String, Process.Ending)])
    func ending(script: String, expected: Process.Ending) throws {
        let loop = try EventLoop()
        let process = try Process(shell(script))
        var ending: Process.Ending?
        try process.watch(on: loop) { ending = $0 }
        try turn(loop) { ending != nil }
        #expect(ending == expected)
        #expect(process.reap() == expected)
    }

    @Test("is ended by a signal")
    func kill() throws {
        let loop = try EventLoop()
        let process = try Process(Process.Launch(path: "/bin/sleep", arguments: ["sleep", "60"]))
        var ending: Process.Ending?
        try process.watch(on: loop) { ending = $0 }
        #expect(process.reap() == nil)
        try process.send(Signals.kill)
        try turn(loop) { ending != nil }
        #expect(ending == .signaled(Signals.kill))
        try process.send(Signals.kill)
    }

    @Test("that somebody else has reaped has ended, is watched no longer, and gets no signal")
    func reapedElsewhere() throws {
        let loop = try EventLoop()
        let process = try Process(shell("exit 3"))
        let other = try Process(shell("exit 3"))
        for pid in [process.pid, other.pid] {
            var status: Int32 = 0
            #expect(unsafe waitpid(pid, &status, 0) == pid)
        }
        var endings: [Process.Ending] = []
        try process.watch(on: loop) { endings.append($0) }
        try turn(loop) { !endings.isEmpty }
        try loop.turn(limit: .milliseconds(50))
        #expect(endings == [.unknown] && process.reap() == .unknown)
        #expect(throws: Errno.self) { try other.send(Signals.kill) }
    }

    @Test("finds its descriptors at the numbers that were chosen, and no others")
    func descriptors() throws {
        let loop = try EventLoop()
        let pair = try Socket.messagePair()
        let five = try Memfd.sealed(name: "five", Array("five".utf8))
        let three = try Memfd.sealed(name: "three", Array("three".utf8))
        var launch = shell("cat <&3 >&4; cat <&5 >&4; ls -v /proc/self/fd | tr '\\n' ' ' >&4; echo \"$WORD\" >&4")
        launch.environment.append("WORD=found")
        launch.descriptors = [3: three.number, 4: pair.first.number, 5: five.number]
        let process = try Process(launch)
        var ending: Process.Ending?
        try process.watch(on: loop) { ending = $0 }
        try turn(loop) { ending != nil }
        #expect(ending == .exited(0))
        var messages: [String] = []
        while let (bytes, _) = try? UnixSocket.receive(pair.second.number, limit: 1000) {
            messages.append(String(decoding: bytes, as: UTF8.self))
        }
        // `ls` itself reads the directory through one more, at the first free number.
        #expect(messages == ["three", "five", "0 1 2 3 4 5 6 ", "found\n"])
    }

    @Test("is not started when there is no such program")
    func missing() {
        #expect(throws: Errno.self) {
            try Process(Process.Launch(path: "/nonexistent", arguments: ["nothing"]))
        }
    }

    @Test("learns of a signal through its loop")
    func signals() async {
        await #expect(processExitsWith: .success) {
            let loop = try EventLoop()
            var seen: [Int32] = []
            // The thread that reads is the thread the signal is sent to; other threads of the test do not block it.
            let signals = try Signals([Signals.hangUp], on: loop) { seen.append($0) }
            try Signals.raise(Signals.hangUp)
            try turn(loop) { !seen.isEmpty }
            #expect(seen == [Signals.hangUp])
            _ = signals
        }
    }
}

@Suite("Privileges", .enabled(if: Privileges.isRoot, "changing user needs root"))
struct PrivilegesTests {
    private static func status(_ name: String) throws -> String {
        let file = try File.open(reading: "/proc/thread-self/status")
        let text = String(decoding: try Descriptor.readAll(file.number, limit: 65_536), as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + ":") })
        return line.dropFirst(name.utf8.count + 1).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    @Test("are gone for good when a process becomes another user")
    func dropAll() async {
        await #expect(processExitsWith: .success) {
            let nobody = try #require(try User.named("nobody"))
            try Privileges.drop(to: nobody, keeping: [])
            let id = String(nobody.identifier)
            #expect(try PrivilegesTests.status("Uid") == [id, id, id, id].joined(separator: " "))
            #expect(try PrivilegesTests.status("Groups") == "")
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"] {
                #expect(try PrivilegesTests.status(set) == "0000000000000000")
            }
            #expect(try PrivilegesTests.status("NoNewPrivs") == "1")
            #expect(throws: Errno.self) {
                try Privileges.drop(to: User(name: "root", identifier: 0, group: 0), keeping: [])
            }
        }
    }

    @Test("that are kept survive the change of user, and no others")
    func keep() async {
        await #expect(processExitsWith: .success) {
            let nobody = try #require(try User.named("nobody"))
            try Privileges.drop(to: nobody, keeping: [.netAdmin, .netRaw])
            #expect(Privileges.effective == [.netAdmin, .netRaw])
            #expect(try PrivilegesTests.status("CapEff") == "0000000000003000")
            #expect(try PrivilegesTests.status("CapPrm") == "0000000000003000")
            #expect(try PrivilegesTests.status("CapBnd") == "0000000000003000")
            #expect(try PrivilegesTests.status("CapInh") == "0000000000000000")
        }
    }

    @Test("of root shrink to those that are kept")
    func rootWithLess() async {
        await #expect(processExitsWith: .success) {
            try Privileges.drop(to: nil, keeping: [.netRaw])
            #expect(Privileges.effective == [.netRaw])
            #expect(throws: Errno.self) { try ResourceLimits.raiseOpenFiles(to: 1 << 40) }
        }
    }

    @Test("include memory that stays and a place before ordinary threads")
    func realtime() async {
        await #expect(processExitsWith: .success) {
            try Privileges.drop(to: nil, keeping: [.ipcLock, .sysNice])
            try ProcessSelf.lockMemory()
            try ProcessSelf.setRealtime(priority: 10)
            let locked = try PrivilegesTests.status("VmLck")
            #expect(locked != "0 kB")
        }
    }
}

@Suite("What a process asks of its host")
struct HostTests {
    @Test("users and groups are found by name")
    func users() throws {
        #expect(try User.named("root") == User(name: "root", identifier: 0, group: 0))
        #expect(try User.named("no-such-user-here") == nil)
        #expect(try User.group(named: "root") == 0)
        #expect(try User.group(named: "no-such-group-here") == nil)
    }

    @Test("the limit of open files is raised, or refused with the numbers")
    func openFiles() async {
        await #expect(processExitsWith: .success) {
            let limit = try ResourceLimits.openFiles()
            #expect(try ResourceLimits.raiseOpenFiles(to: 10) == limit.soft)
            #expect(try ResourceLimits.raiseOpenFiles(to: limit.hard) == limit.hard)
            #expect(try ResourceLimits.openFiles().soft == limit.hard)
            do {
                try ResourceLimits.raiseOpenFiles(to: 1 << 40)
                Issue.record("a limit beyond the kernel's was accepted")
            } catch let error as Errno {
                #expect(error.call.contains("\(limit.hard)") && error.call.contains("\(UInt64(1) << 40)"))
            }
            try ResourceLimits.forbidCore()
        }
    }

    @Test("the service manager hears by a path and by an abstract name", arguments: [false, true])
    func notify(isAbstract: Bool) throws {
        let name = "understudy-test-\(ProcessSelf.pid)-\(isAbstract)"
        let path = isAbstract ? "@\(name)" : "/tmp/\(name)"
        let socket = try UnixDatagram.receiver(at: path)
        defer { if !isAbstract { File.remove(path) } }
        let notify = Notify(socket: path, watchdogMicroseconds: "3000000")
        #expect(notify.watchdogLimit == .seconds(3))
        notify.reloading(at: Instant(nanoseconds: 5_000_000))
        notify.ready("active,\nserving")
        notify.watchdog()
        notify.stopping("by signal")
        var messages: [String] = []
        while let (bytes, _) = try? UnixSocket.receive(socket.number, limit: 1000) {
            messages.append(String(decoding: bytes, as: UTF8.self))
        }
        #expect(
            messages == [
                "RELOADING=1\nMONOTONIC_USEC=5000", "READY=1\nSTATUS=active, serving", "WATCHDOG=1",
                "STOPPING=1\nSTATUS=by signal",
            ])
        #expect(Notify(socket: path, watchdogMicroseconds: "3000000", watchdogPID: "1").watchdogLimit == nil)
        #expect(Notify(socket: nil).watchdogLimit == nil)
    }
}
