// The admin socket, both ends, on the real kernel.

import Linux
import Synchronization
import Testing
import Wire

@testable import Supervisor

@Suite("An admin socket")
struct AdminTests {
    /// A server on a loop of its own, until it is let go.
    private final class Running: Sendable {
        let path: String
        private let isEnding = Atomic<Bool>(false)

        init(_ handle: @escaping @Sendable (JSON, AdminConnection) -> Void) throws {
            path = "/tmp/understudy-admin-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"
            let isReady = try Bell()
            let path = path
            _ = try Thread(name: "admin") { [self] in
                guard let loop = try? EventLoop(),
                    let server = try? AdminServer(path: path, group: nil, on: loop, handle)
                else { return }
                isReady.ring()
                while !isEnding.load(ordering: .acquiring) { try? loop.turn(limit: .milliseconds(20)) }
                server.close()
            }
            isReady.wait(until: Clock.now + .seconds(10))
        }

        func end() { isEnding.store(true, ordering: .releasing) }
    }

    /// Sends bytes and gives back all that is answered, to the end.
    private func talk(_ path: String, _ bytes: [UInt8]) throws -> String {
        let socket = try UnixSocket.connect(path: path)
        try Descriptor.writeAll(socket.number, bytes)
        var answer: [UInt8] = []
        while true {
            try Descriptor.waitReadable(socket.number, until: Clock.now + .seconds(10))
            let part = try Descriptor.read(socket.number, limit: 65_536)
            if part.isEmpty { break }
            answer += part
        }
        return String(decoding: answer, as: UTF8.self)
    }

    @Test("answers one request and closes")
    func answer() throws {
        let running = try Running { request, connection in connection.answer(["ok": true, "asked": request]) }
        defer { running.end() }
        for number in 0..<100 as Range<Int64> {
            let answer = try AdminClient.ask(running.path, ["number": .integer(number)], patience: .seconds(10))
            #expect(answer == ["ok": true, "asked": ["number": .integer(number)]])
        }
    }

    @Test("carries an answer that is longer than any socket buffer")
    func longAnswer() throws {
        let running = try Running { _, connection in
            connection.answer(["ok": true, "text": .string(String(repeating: "x", count: 3_000_000))])
        }
        defer { running.end() }
        let answer = try AdminClient.ask(running.path, [:], patience: .seconds(10))
        #expect(answer["text"]?.string?.utf8.count == 3_000_000)
    }

    @Test("hands a connection to somebody else, who answers in lines")
    func handOver() throws {
        let running = try Running { _, connection in
            connection.handOver { number in
                guard let copy = try? Descriptor.duplicate(number) else { return false }
                return (try? Descriptor.writeAll(copy.number, Array("{\"n\":1}\n{\"n\":2}\n{\"ok\":true}\n".utf8)))
                    != nil
            }
        }
        defer { running.end() }
        var lines: [String] = []
        try AdminClient.ask(running.path, [:], patience: .seconds(10)) { lines.append($0.text) }
        #expect(lines == ["{\"n\":1}", "{\"n\":2}", "{\"ok\":true}"])
    }

    @Test("says what is wrong with a request", arguments: ["nonsense\n", "{\"a\":\n", "\n"])
    func malformed(request: String) throws {
        let running = try Running { _, connection in connection.answer(["ok": true]) }
        defer { running.end() }
        let answer = try talk(running.path, Array(request.utf8))
        #expect(answer.hasPrefix("{\"ok\":false,\"error\":\"the request is not JSON"))
    }

    @Test("refuses a request without end")
    func endless() throws {
        let running = try Running { _, connection in connection.answer(["ok": true]) }
        defer { running.end() }
        let socket = try UnixSocket.connect(path: running.path)
        let limit = Clock.now + .seconds(10)
        // The daemon stops reading at its limit and hangs up; how much fits before is the kernel's business.
        while Clock.now < limit {
            do { try UnixSocket.send(socket.number, [UInt8](repeating: 0x20, count: 4096)) } catch {
                if error.isWouldBlock { continue }
                break
            }
        }
        #expect(Clock.now < limit)
    }

    @Test("tells apart who is not there from who may not be asked")
    func notRunning() throws {
        let path = "/tmp/understudy-nobody-\(ProcessSelf.pid)"
        #expect {
            _ = try AdminClient.ask(path, [:], patience: .seconds(1))
        } throws: { error in
            if case AdminClient.Failure.notRunning? = error as? AdminClient.Failure { true } else { false }
        }
        // A socket file that a killed daemon left behind.
        let dead = try UnixSocket.listen(path: path, mode: 0o600)
        _ = consume dead
        defer { File.remove(path) }
        #expect {
            _ = try AdminClient.ask(path, [:], patience: .seconds(1))
        } throws: { error in
            if case AdminClient.Failure.notRunning? = error as? AdminClient.Failure { true } else { false }
        }
    }
}
