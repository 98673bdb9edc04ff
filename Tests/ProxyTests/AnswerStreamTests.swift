// Long answers to an operator, and the work that must go on meanwhile.

import Linux
import Testing
import Wire

@testable import Proxy

@Suite("A long answer")
struct AnswerStreamTests {
    @Test("lets other work have its turn while it searches, and is whole in the end")
    func pauses() throws {
        let loop = try EventLoop()
        let (near, far) = try Self.connection()
        var ends = 0
        var searches = 0
        var beats = 0
        func beat() {
            beats += 1
            loop.schedule(at: Clock.now) { beat() }
        }
        beat()
        do {
            let stream = try AnswerStream(FileDescriptor(owning: near), on: loop) { ends += 1 }
            stream.feed {
                searches += 1
                return searches < 100 ? .pause : searches == 100 ? .line(["found": true]) : .end
            } last: {
                ["ok": true]
            }
        }
        for _ in 0..<1000 where searches <= 100 { try loop.turn(limit: .milliseconds(10)) }
        #expect(searches == 101)
        // The loop asks for what is ready twice a turn, and fires its timers once.
        #expect(beats >= 49)
        #expect(try Descriptor.read(far, limit: 4096) == Array("{\"found\":true}\n{\"ok\":true}\n".utf8))
        #expect(try Descriptor.read(far, limit: 1) == [], "closed at the end")
        Descriptor.close(far)
        #expect(ends == 1)
    }

    @Test("ends when its reader is gone, and says so once")
    func readerGone() throws {
        Signals.ignorePipe()
        let loop = try EventLoop()
        let (near, far) = try Self.connection()
        var ends = 0
        do {
            let stream = try AnswerStream(FileDescriptor(owning: near), on: loop) { ends += 1 }
            stream.feed {
                .line(["number": 1])
            } last: {
                ["ok": true]
            }
        }
        for _ in 0..<10 { try loop.turn(limit: .zero) }
        #expect(ends == 0, "a reader that only waits keeps it")
        Descriptor.close(far)
        for _ in 0..<10 where ends == 0 { try loop.turn(limit: .milliseconds(10)) }
        #expect(ends == 1)
    }

    /// The two ends of a stream connection.
    private static func connection() throws -> (Int32, Int32) {
        let path = "/tmp/understudy-answer-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"
        let listener = try UnixSocket.listen(path: path, mode: 0o600)
        defer { File.remove(path) }
        let far = try UnixSocket.connect(path: path)
        guard let accepted = try Socket.accept(listener.number) else { throw Errno(Errno.noEntry, "accept") }
        return (accepted.take().release(), far.release())
    }
}
