// What a process under the filter may and may not do.

import Glibc
import Linux
import Synchronization
import Testing
import Wire

@Suite("The filter of system calls")
struct SystemCallFilterTests {
    /// Runs on a thread of its own under a filter, which ends with the thread.
    private func under(_ filter: SystemCallFilter, _ body: @escaping @Sendable () -> [String: Int32]) throws -> [String: Int32] {
        let results = Mutex<[String: Int32]>([:])
        let refusal = Mutex<Errno?>(nil)
        let thread = try Thread(name: "filtered") {
            do throws(Errno) { try filter.install() } catch {
                refusal.withLock { $0 = error }
                return
            }
            let found = body()
            results.withLock { $0 = found }
        }
        thread.join()
        try #require(refusal.withLock { $0 } == nil, "this kernel has no filters: \(refusal.withLock { $0 }!)")
        return results.withLock { $0 }
    }

    /// 0 when a call was let through with success, else its errno.
    private static func code(_ result: Int) -> Int32 { result < 0 ? Errno.last("").code : 0 }

    private static func code(_ body: () throws(Errno) -> Void) -> Int32 {
        do throws(Errno) {
            try body()
            return 0
        } catch {
            return error.code
        }
    }

    @Test("lets a balancer work: sockets, files for reading, memory, threads")
    func allowed() throws {
        let results = try under(.balancer) {
            var codes: [String: Int32] = [:]
            let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            codes["socket"] = Self.code(Int(socket))
            codes["unix"] = Self.code(Int(Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)))
            let file = (try? File.open(reading: "/etc/passwd").release()) ?? -1
            codes["open"] = Self.code(Int(file))
            codes["memfd"] = Self.code { () throws(Errno) in _ = try Memfd.create(name: "test", size: 4096) }
            let counted = Mutex(0)
            let thread = try? Thread(name: "inner") { counted.withLock { $0 += 1 } }
            thread?.join()
            codes["thread"] = counted.withLock { $0 } == 1 ? 0 : -1
            close(file)
            close(socket)
            return codes
        }
        #expect(results == ["socket": 0, "unix": 0, "open": 0, "memfd": 0, "thread": 0])
    }

    @Test("lets a balancer keep its keys as well as it could without, and a loop not ask for it")
    func secrets() throws {
        let protect: @Sendable () -> [String: Int32] = {
            let secret = Self.code { () throws(Errno) in _ = try Memfd.secret(size: 4096) }
            let locked = Self.code { () throws(Errno) in
                let file = try Memfd.create(name: "test", size: 4096)
                guard try MemoryProtection.protect(try Memfd.map(file.number)) == .locked else { throw Errno(EPERM, "mlock2") }
            }
            return ["secret": secret, "locked": locked]
        }
        #expect(try under(.balancer, protect) == protect())
        #expect(try under(.loop, protect) == ["secret": EPERM, "locked": EPERM])
    }

    @Test("refuses what a balancer never does, with EPERM")
    func refused() throws {
        let results = try under(.balancer) {
            var codes: [String: Int32] = [:]
            codes["write a file"] = Self.code { () throws(Errno) in _ = try FileTree.open("/tmp/filtered", O_WRONLY | O_CREAT) }
            codes["append"] = Self.code { () throws(Errno) in _ = try FileTree.open("/etc/passwd", O_RDWR) }
            codes["remove"] = Self.code(Int(unsafe unlink("/tmp/filtered")))
            codes["packet socket"] = Self.code(Int(Glibc.socket(17, Int32(SOCK_RAW.rawValue), 0)))
            codes["chroot"] = Self.code(Int(unsafe chroot("/")))
            return codes
        }
        #expect(results.count == 5)
        for (what, code) in results { #expect(code == EPERM, "\(what): \(Errno.text(code))") }
    }

    @Test("lets no loop start a thread or a program")
    func loops() throws {
        let results = try under(.loop) {
            var codes: [String: Int32] = [:]
            let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            codes["socket"] = Self.code(Int(socket))
            close(socket)
            codes["thread"] = (try? Thread(name: "inner") {}) == nil ? EPERM : 0
            codes["program"] = {
                do throws(Errno) { try ProcessSelf.execute("/bin/true", arguments: ["true"], environment: []) } catch {
                    return error.code
                }
            }()
            return codes
        }
        #expect(results == ["socket": 0, "thread": EPERM, "program": EPERM])
    }

    private static func status(_ path: String, _ field: String) throws -> Int? {
        let status = String(decoding: try File.read(path, limit: 65_536), as: UTF8.self)
        return status.split(separator: "\n").first { $0.hasPrefix(field + ":") }.flatMap { Int($0.filter(\.isNumber)) }
    }

    @Test("is on every thread of a balancer, stricter on loops, and no thicker after three deaths")
    func daemon() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let own = try Self.status("/proc/self/status", "Seccomp_filters") ?? 0
        for death in 0..<4 {
            let pid = try #require(try daemon.balancer()["pid"]?.integer)
            var threads: [String: Int] = [:]
            for thread in try FileTree.list("/proc/\(pid)/task") {
                let directory = "/proc/\(pid)/task/\(thread)"
                // Some live for a moment only: one that has ended since is none of a balancer's.
                guard let name = try? File.read("\(directory)/comm", limit: 64), let mode = try? Self.status("\(directory)/status", "Seccomp"),
                    let rights = try? Self.status("\(directory)/status", "NoNewPrivs"),
                    let filters = try? Self.status("\(directory)/status", "Seccomp_filters")
                else { continue }
                #expect(mode == 2 && rights == 1, "\(thread)")
                threads[String(decoding: name, as: UTF8.self)] = filters
            }
            #expect(threads.keys.contains { $0.hasPrefix("understudy") }, "\(threads)")
            let loops = threads.filter { $0.key.hasPrefix("loop") }
            #expect(loops.count == 2 && loops.values.allSatisfy { $0 == own + 2 }, "\(threads)")
            #expect(threads.filter { !$0.key.hasPrefix("loop") }.values.allSatisfy { $0 == own + 1 }, "\(threads)")
            guard death < 3 else { break }
            #expect(kill(Int32(pid), SIGKILL) == 0)
            try daemon.successor(of: pid)
        }
        #expect(!daemon.log.contains("system calls are not filtered"))
    }
}
