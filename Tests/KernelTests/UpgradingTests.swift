// A daemon moves to another program, good or bad, with the sessions it has (docs/survival.md).

import Glibc
import Linux
import Testing
import Wire

@testable import Supervisor

@Suite("Upgrading a daemon", .serialized)
struct UpgradingTests {
    /// Programs that are made for a test, where only root may write.
    final class Workshop {
        let directory: String

        init() throws {
            directory = "\(File.currentDirectory)/.build/upgrade-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"
            try FileTree.makeDirectory(directory)
        }

        deinit { try? FileTree.remove(directory) }

        /// Another build: the same program in another file.
        func build(_ name: String) throws -> String {
            let path = "\(directory)/\(name)"
            try #require(succeeds("cp '\(Daemon.program)' '\(path)' && chmod 755 '\(path)'"))
            return path
        }

        /// A shell script in the place of the program; `REAL` is the program's path.
        func script(_ name: String, _ body: String) throws -> String {
            let path = "\(directory)/\(name)"
            let text = "#!/bin/sh\nREAL='\(Daemon.program)'\n\(body)\n"
            try FileTree.write(path, Array(text.utf8), mode: 0o755)
            return path
        }

        /// A C program.
        func compile(_ name: String, _ source: String) throws -> String {
            let path = "\(directory)/\(name)"
            try FileTree.write("\(path).c", Array(source.utf8))
            try #require(succeeds("cc -O1 -o '\(path)' '\(path).c' && chmod 755 '\(path)'"), "a C compiler is needed")
            return path
        }
    }

    /// Sessions through a daemon, and its balancer's broker.
    final class Scene {
        let broker: EventLoop
        /// The program it was started as.
        private(set) var known: Set<String> = []
        let traffic: SuccessionTraffic
        let daemon: Daemon

        init(sessions: Int = 8, loops: Int = 2, lines: String = "", launcher: [String] = []) throws {
            broker = try EventLoop()
            traffic = try SuccessionTraffic(on: broker, seed: 11)
            let port = traffic.port
            daemon = try Daemon(
                {
                    $0.replacing("127.0.0.1:9;", with: "127.0.0.1:\(port);").replacing("loops 2", with: "loops \(loops)") + lines
                }, launcher: launcher)
            try daemon.turn { daemon.isTold("READY=1") }
            traffic.target = daemon.port
            known = try programs()
            for number in 0..<sessions { try traffic.begin(isSmall: number % 4 == 0) }
        }

        /// Orders an upgrade with bytes on their way all the time, and gives the answer.
        func upgrade(_ path: String, drain: Bool = false) throws -> JSON {
            let socket = try UnixSocket.connect(path: "\(daemon.directory)/admin.sock")
            let request: JSON = ["command": "upgrade", "program": .string(path), "drain": JSON(drain)]
            try UnixSocket.send(socket.number, Array((request.text + "\n").utf8))
            var answer: [UInt8] = []
            let limit = Clock.now + .seconds(90)
            var isCut = false
            while answer.last != 0x0A {
                try #require(!isCut, "cut off; \(daemon.log)")
                try #require(Clock.now < limit, "no answer; \(daemon.log)")
                for _ in 0..<10 { try broker.turn(limit: .milliseconds(2)) }
                do throws(Errno) {
                    let part = try Descriptor.read(socket.number, limit: 65_536)
                    if part.isEmpty { isCut = true }
                    answer += part
                } catch {
                    try #require(error.isWouldBlock, "\(error)")
                }
            }
            return try JSON(parsing: answer.span)
        }

        /// The programs of the daemon's processes, and of everything they left running.
        func programs() throws -> Set<String> {
            let pids = try daemon.processes() + [Int64(daemon.supervisor())]
            let holders = try SuccessionTests.children(of: Set(pids.dropFirst()), named: "understudy-hold")
            return Set(try (pids + holders).map { try #require(FileTree.target("/proc/\($0)/exe")) })
        }

        /// Everything is the program it was started as.
        func isKnown() throws -> Bool {
            let pids = try daemon.processes() + [Int64(daemon.supervisor())]
            let holders = try SuccessionTests.children(of: Set(pids.dropFirst()), named: "understudy-hold")
            let programs = (pids + holders).map { FileTree.target("/proc/\($0)/exe") }
            return holders.count == 2 && Set(programs) == Set(known.map(Optional.init))
        }

        func finish() throws {
            try traffic.finish()
            #expect(traffic.failures.isEmpty, "\(traffic.failures.prefix(5)) of \(traffic.failures.count): \(daemon.log)")
            #expect(traffic.moved > 100_000)
        }
    }

    @Test("to a good program and back keeps every session, and nothing of the former is left")
    func good() throws {
        let workshop = try Workshop()
        let builds = [try workshop.build("one"), try workshop.build("two")]
        let scene = try Scene()
        let pids = try scene.daemon.processes()
        let file = scene.daemon.file
        for round in 0..<4 {
            let program = builds[round % 2]
            let answer = try scene.upgrade(program)
            #expect(answer["ok"] == true, "\(answer.text) \(scene.daemon.log)")
            #expect(answer["version"] == answer["from"] && answer["version"]?.string?.isEmpty == false)
            #expect(try scene.programs() == [program], "\(scene.daemon.log)")
            #expect(try scene.daemon.processes()[0] == pids[0])
            #expect(try scene.daemon.processes()[1] != pids[1])
            // A reload, a death and new sessions work as before.
            try scene.daemon.write(file.replacing("size 1000", with: "size 1000; expire \(20 + round)m"))
            let reload = try scene.daemon.ask(["command": "reload"])
            #expect(reload["ok"] == true, "\(reload.text)")
            try scene.traffic.begin(isSmall: false)
        }
        let balancer = try scene.daemon.balancer()
        #expect(balancer["restarts"] == 0, "\(balancer.text)")
        let former = try #require(balancer["pid"]?.integer)
        #expect(kill(Int32(former), SIGKILL) == 0)
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            let balancer = try scene.daemon.balancer()
            return balancer["phase"] == "serving" && balancer["pid"]?.integer != former
        }
        #expect(try scene.programs() == [builds[1]])
        try scene.finish()
        #expect(try scene.daemon.ask(["command": "stop"])["ok"] == true)
        try scene.daemon.turn { scene.daemon.ending != nil }
        #expect(scene.daemon.ending == .exited(0))
    }

    /// What each bad program does when it is asked for its layout, and when it is started as anything else.
    static let badPrograms: [(name: String, asked: String, started: String, reason: String)] = [
        ("exits at once", "exit 1", "exit 1", "does not say what it is"),
        ("speaks nonsense", "echo hello; exit", "exit 1", "makes no sense"),
        ("exits as a balancer", "exec \"$REAL\" \"$@\"", "exit 1", "did not take over"),
        ("aborts as a balancer", "exec \"$REAL\" \"$@\"", "kill -ABRT $$", "did not take over"),
        ("hangs as a balancer", "exec \"$REAL\" \"$@\"", "exec sleep 60", "did not take over"),
        (
            "fails at the supervisor's state", "exec \"$REAL\" \"$@\"",
            "if [ \"$1\" = balancer ]; then exec OTHER \"$@\"; fi; exit 3", "exit status 3"
        ),
        (
            "is gone when the supervisor is to become it", "exec \"$REAL\" \"$@\"",
            "if [ \"$1\" = run ]; then rm -f \"$0\"; fi; exec OTHER \"$@\"", "No such file"
        ),
    ]

    @Test("to a bad program keeps the known one and every session", arguments: badPrograms.indices)
    func bad(index: Int) throws {
        let bad = Self.badPrograms[index]
        let workshop = try Workshop()
        let other = try workshop.build("other")
        let program = try workshop.script(
            "bad",
            "if [ \"$1\" = layout ]; then \(bad.asked); fi\n\(bad.started.replacing("OTHER", with: "'\(other)'"))")
        let scene = try Scene()
        let answer = try scene.upgrade(program)
        #expect(answer["ok"] == false, "\(bad.name): \(answer.text)")
        #expect(answer["error"]?.string?.contains(bad.reason) == true, "\(bad.name): \(answer.text)")
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            return try scene.daemon.balancer()["phase"] == "serving" && scene.isKnown()
        }
        try scene.finish()
        #expect(try scene.daemon.accepts())
    }

    @Test("to a program whose balancer dies after a second brings the known one back")
    func crashLoop() throws {
        let workshop = try Workshop()
        let other = try workshop.build("other")
        // Somebody who ends it a second later: under the filter it has no alarm.
        let program = try workshop.compile(
            "crashing",
            """
            #include <signal.h>
            #include <string.h>
            #include <unistd.h>
            int main(int count, char **arguments) {
                pid_t self = getpid();
                if (count > 1 && !strcmp(arguments[1], "balancer") && fork() == 0) {
                    sleep(1);
                    kill(self, SIGABRT);
                    _exit(0);
                }
                execv("\(other)", arguments);
                return 1;
            }
            """)
        let scene = try Scene()
        let answer = try scene.upgrade(program)
        #expect(answer["error"]?.string?.contains("died after it had taken over") == true, "\(answer.text)")
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            return try scene.daemon.balancer()["phase"] == "serving" && scene.isKnown()
        }
        try scene.finish()
    }

    /// What a program does that is good until it is the supervisor.
    static let badSupervisors: [(name: String, code: String)] = [
        ("exits", "_exit(1);"), ("aborts", "abort();"), ("hangs", "for (;;) pause();"),
        ("dies after a second", "if (fork() == 0) { sleep(1); kill(self, SIGABRT); _exit(0); }"),
        ("is killed just before it is believed", "if (fork() == 0) { usleep(2800000); kill(self, SIGKILL); _exit(0); }"),
        ("hangs after a second", "if (fork() == 0) { sleep(1); kill(self, SIGSTOP); _exit(0); }"),
    ]

    @Test("to a program that fails as the supervisor brings the known one back", arguments: badSupervisors.indices)
    func badSupervisor(index: Int) throws {
        let bad = Self.badSupervisors[index]
        let workshop = try Workshop()
        let other = try workshop.build("other")
        let program = try workshop.compile(
            "bad",
            """
            #include <signal.h>
            #include <stdlib.h>
            #include <string.h>
            #include <unistd.h>
            int main(int count, char **arguments) {
                pid_t self = getpid();
                int is_supervisor = count > 1 && !strcmp(arguments[1], "run") && getenv("UNDERSTUDY_HERITAGE");
                if (is_supervisor && !getenv("UNDERSTUDY_REHEARSAL")) { \(bad.code) }
                execv("\(other)", arguments);
                return self > 0;
            }
            """)
        let scene = try Scene()
        let pids = try scene.daemon.processes()
        let answer = try scene.upgrade(program)
        #expect(
            answer["error"]?.string?.contains("failed as the supervisor") == true,
            "\(bad.name): \(answer.text) \(scene.daemon.log)")
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            return try scene.daemon.balancer()["phase"] == "serving" && scene.isKnown()
        }
        #expect(try scene.daemon.processes()[0] == pids[0])
        // It is whole: it reloads, and takes a good program.
        try scene.daemon.write(scene.daemon.file.replacing("size 1000", with: "size 1000; expire 25m"))
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            return try scene.daemon.ask(["command": "reload"])["ok"] == true
        }
        try scene.finish()
        #expect(scene.daemon.ending == nil)
    }

    @Test("to another layout is refused, or drained and started anew")
    func layout() throws {
        let workshop = try Workshop()
        // The same program with another number for the memory of sessions; as anything else it is the other build.
        let other = try workshop.build("other")
        let program = try workshop.script(
            "layout",
            """
            if [ "$1" = layout ]; then
                "$REAL" "$@" | sed 's/"sessions":"[0-9a-f]*"/"sessions":"7"/; s/"version":"[^"]*"/"version":"9.9"/'
                exit
            fi
            exec '\(other)' "$@"
            """)
        let scene = try Scene(sessions: 4)
        let pids = try scene.daemon.processes()
        let refusal = try scene.upgrade(program)
        #expect(
            refusal["error"]?.string?.hasPrefix("version 9.9 has another layout of the memory of sessions than") == true,
            "\(refusal.text)")
        #expect(try scene.daemon.processes() == pids)
        let notified = scene.daemon.told.count
        let drained = try scene.upgrade(program, drain: true)
        #expect(drained["ok"] == true && drained["draining"] == true && drained["version"] == "9.9", "\(drained.text)")
        #expect(drained["pid"]?.integer == pids[0] && drained["within_ms"]?.integer ?? 0 >= 2000)
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            guard let status = try? scene.daemon.ask(["command": "status"]), status["stopping"] == false,
                status["pid"]?.integer == pids[0]
            else { return false }
            return try scene.programs() == [other]
        }
        #expect(try scene.daemon.accepts())
        // To the service manager it is a reload: told of a stop, it would kill the new program when its time for one is over.
        try scene.daemon.turn { scene.daemon.told.dropFirst(notified).contains { $0.hasPrefix("READY=1") } }
        let told = scene.daemon.told.dropFirst(notified).map { $0.prefix { $0 != "=" } }.filter { $0 != "WATCHDOG" && $0 != "STATUS" }
        #expect(told == ["RELOADING", "EXTEND_TIMEOUT_USEC", "READY"])
    }

    @Test("to a program that others may write, that is not there, or that runs already is refused")
    func refused() throws {
        let workshop = try Workshop()
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        func refusal(_ path: String) throws -> String {
            let answer = try daemon.ask(["command": "upgrade", "program": .string(path)])
            #expect(answer["ok"] == false)
            return answer["error"]?.string ?? ""
        }
        #expect(try refusal(Daemon.program).contains("is the program that is running"))
        #expect(try refusal("\(workshop.directory)/none").contains("No such file"))
        #expect(try refusal("understudy").contains("whole path"))
        let open = try workshop.build("open")
        if Privileges.isRoot {
            try File.setMode(open, 0o777)
            #expect(try refusal(open).contains("can be written by others than root"))
        }
        #expect(daemon.log.contains("The upgrade is refused; nothing has changed."))
        let shown = try daemon.show(["upgrade", "\(workshop.directory)/none"])
        #expect(shown.contains("No such file"), "\(shown)")
    }

    @Test("changes the number of loops, up and down")
    func loops() throws {
        let workshop = try Workshop()
        let builds = [try workshop.build("one"), try workshop.build("two")]
        let scene = try Scene(sessions: 8, loops: 1)
        for (round, loops) in [3, 2].enumerated() {
            let file = scene.daemon.file
            let line = try #require(file.split(separator: "\n").first { $0.hasPrefix("loops ") })
            try scene.daemon.write(file.replacing(line, with: "loops \(loops)"))
            #expect(try scene.daemon.ask(["command": "reload"])["ok"] == true)
            let answer = try scene.upgrade(builds[round])
            #expect(answer["ok"] == true, "\(answer.text) \(scene.daemon.log)")
            // Loops of the former number that have sessions stay until they have none.
            let count = try scene.daemon.ask(["command": "status"])["balancer"]?["loops"]?.integer
            #expect(count == [3, 3][round])
            for _ in 0..<6 { try scene.traffic.begin(isSmall: false) }
        }
        try scene.finish()
    }
}
