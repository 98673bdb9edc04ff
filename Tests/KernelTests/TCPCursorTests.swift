// What the kernel says of a stream is what was read of it.

import Glibc
import Linux
import Testing
import Wire

@Suite("The kernel's counts of a stream")
struct TCPCursorTests {
    @Test("are exact before, at and behind an urgent byte")
    func urgent() throws {
        let listener = try Socket.listen(
            SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 1, reusePort: false)
        let address = try #require(Socket.localAddress(listener.number))
        let client = try Socket.connect(address)
        var waiting = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
        // Sound: the entry lives on the stack for the duration of the call.
        #expect(unsafe poll(&waiting, 1, 20_000) == 1)
        guard let accepted = try Socket.accept(listener.number) else {
            Issue.record("nobody has come")
            return
        }
        let server = accepted.take()
        func send(_ count: Int, _ flags: Int32 = 0) {
            let bytes = [UInt8](repeating: 7, count: count)
            // Sound: the bytes are lent for the duration of the call.
            let sent = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(client.number, $0.baseAddress, count, flags) }
            #expect(sent == count)
        }
        send(100)
        send(1, Int32(MSG_OOB))
        send(50)
        var received: UInt64 = 0
        for limit in [10, 60, 30, 1, 20, 30] {
            received += UInt64(try Descriptor.read(server.number, limit: limit).count)
            #expect(TCPCursor.received(server.number) == received)
        }
        while received < 151 {
            received += UInt64(try Descriptor.read(server.number, limit: 100).count)
            #expect(TCPCursor.received(server.number) == received)
        }
    }
}
