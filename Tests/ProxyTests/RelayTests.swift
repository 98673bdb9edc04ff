// Bytes in, bytes out: the same ones, at any speed, to the end.

import Configuration
import Dispatch
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("A relayed session")
struct RelayTests {
    /// A session with both ends in the test's hands.
    private func pair(
        _ rig: Rig, _ server: Listener, _ name: String = "relayed", keepAlive: UInt16 = 0, buffers: Int32? = nil
    ) throws -> (client: Peer, broker: Peer) {
        let client = try Peer(to: rig.address, receiveBuffer: buffers, sendBuffer: buffers)
        let packet = try connect(name, keepAlive: keepAlive)
        try client.send(packet)
        let broker = try server.accept()
        #expect(try broker.receive(packet.count) == packet)
        try broker.send(accepted())
        #expect(try client.receive(4) == accepted())
        return (client, broker)
    }

    @Test("does not wait for more bytes before it sends a few: TCP_NODELAY on both sides")
    func noDelay() throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        func flag(_ name: Int32, of socket: Int32) -> Int32? {
            var value: Int32 = -1
            var count = socklen_t(MemoryLayout<Int32>.size)
            // Sound: the value and its size are lent to the call.
            guard unsafe getsockopt(socket, Int32(IPPROTO_TCP), name, &value, &count) == 0 else { return nil }
            return value
        }
        func peer(of socket: Int32) -> UInt16? {
            var address = sockaddr_in()
            var count = socklen_t(MemoryLayout<sockaddr_in>.size)
            // Sound: both structures begin with the family, and the size is that of the larger one.
            let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getpeername(socket, $0, &count) }
            }
            return result == 0 ? UInt16(bigEndian: address.sin_port) : nil
        }
        // The loop's own sockets: what was accepted on the listener, and what was connected to the server.
        var found = [Int32?](), sides = Set<String>()
        for socket in Int32(3)..<65_536 {
            guard let other = peer(of: socket), let own = Socket.localAddress(socket)?.port else { continue }
            guard own == rig.address.port || other == server.address.port else { continue }
            sides.insert(own == rig.address.port ? "client" : "server")
            found.append(flag(Int32(TCP_NODELAY), of: socket))
        }
        #expect(sides == ["client", "server"])
        #expect(found == [1, 1])
        client.close()
        broker.close()
        rig.finish()
    }

    @Test("100 MB each way at once, byte for byte", arguments: [nil, 16_384] as [Int32?])
    func bulk(buffers: Int32?) throws {
        let server = try Listener(receiveBuffer: buffers)
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server, buffers: buffers)
        let count = 100_000_000
        let up = Pattern(seed: 1)
        let down = Pattern(seed: 2)
        let workers = [
            try Worker {
                try client.send(up, count: count, seed: 3)
                client.shutdown()
                return count
            },
            try Worker {
                try broker.send(down, count: count, seed: 4)
                broker.shutdown()
                return count
            },
            try Worker { try broker.receive(up, count: count, seed: 5) },
            try Worker { try client.receive(down, count: count, seed: 6) },
        ]
        for worker in workers { #expect(try worker.join() == count) }
        #expect(try client.receiveSome() == [])
        #expect(try broker.receiveSome() == [])
        rig.finish()
        let connect = try connect("relayed").count
        #expect(rig.count(.bytesUp) == UInt64(count + connect))
        #expect(rig.count(.bytesDown) == UInt64(count + 4))
        #expect(rig.count(.splices) > 0, "so much goes through pipes")
    }

    @Test("A reader that stops stops the writer, and holds one chunk or pipe", arguments: [true, false])
    func backPressure(isUp: Bool) throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        let (writer, reader) = isUp ? (client, broker) : (broker, client)
        let pattern = Pattern(seed: 9)
        var sent = 0
        repeat {
            let count = try writer.sendSome(pattern.bytes(at: sent, most: 65_536))
            sent += count
            try #require(sent < 256 << 20, "nothing stops the writer")
            if count == 0, !writer.happens(POLLOUT, within: 300) { break }
        } while true
        #expect(eventually { rig.gauge(.chunks) + rig.gauge(.pipes) == 1 })
        // The other direction goes on.
        try reader.exchange(pingreq, expecting: [], #_sourceLocation)
        #expect(try writer.receive(2) == pingreq)
        let total = sent
        let reading = try Worker { try reader.receive(pattern, count: total, seed: 1) }
        #expect(try reading.join() == total)
        #expect(eventually { rig.gauge(.chunks) + rig.gauge(.pipes) == 0 }, "an idle session holds nothing")
        client.close()
        broker.close()
        rig.finish()
    }

    @Test("One side may end its stream and still hear the other out", arguments: [true, false])
    func halfClose(clientFirst: Bool) throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        let (first, second) = clientFirst ? (client, broker) : (broker, client)
        try first.send(id("the last words"))
        first.shutdown()
        #expect(try second.receiveToEnd() == (id("the last words"), .closed))
        let pattern = Pattern(seed: 3)
        let reading = try Worker { try first.receive(pattern, count: 8 << 20, seed: 1) }
        try second.send(pattern, count: 8 << 20, seed: 2)
        second.shutdown()
        #expect(try reading.join() == 8 << 20)
        #expect(try first.receiveSome() == [])
        rig.reaches(clientFirst ? .clientClosed : .serverClosed, 1)
        rig.finish()
    }

    @Test("What a server said before its reset reaches a client whose bytes can go nowhere any more")
    func lastWordsBeforeReset() throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        // While the loop stands still, both sockets get ready, the client's first.
        let (reached, goes) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        rig.post(
            .passed(
                Fence(loops: 1) {
                    reached.signal()
                    goes.wait()
                }))
        reached.wait()
        try client.send(pingreq)
        let takenOver: [UInt8] = [0xE0, 2, 0x8E, 0]
        try broker.send(takenOver)
        broker.reset()
        goes.signal()
        #expect(try client.receiveToEnd() == (takenOver, .closed))
        client.close()
        rig.reaches(.serverReset, 1)
        rig.finish()
    }

    @Test("Urgent bytes are bytes of the stream, also in bulk, and the kernel's counts are what was received")
    func urgent() throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        let pattern = Pattern(seed: 5)
        let (first, second) = (4 << 20, 1 << 20)
        let reading = try Worker { try broker.receive(pattern, count: first + 1 + second, seed: 1) }
        try client.send(pattern, count: first, seed: 2)
        let urgent = pattern.bytes(at: first, most: 1)
        // Sound: the byte's memory is lent to the call.
        #expect(unsafe urgent.withUnsafeBytes { unsafe Glibc.send(client.number, $0.baseAddress, 1, Int32(MSG_OOB)) } == 1)
        var sent = first + 1
        while sent < first + 1 + second {
            let more = pattern.bytes(at: sent, most: first + 1 + second - sent)
            try client.send(more)
            sent += more.count
        }
        client.shutdown()
        #expect(try reading.join() == first + 1 + second)
        #expect(try broker.receiveSome() == [])
        broker.close()
        client.close()
        rig.reaches(.clientClosed, 1)
        rig.finish()
    }

    @Test("A reset of one side closes the other", arguments: [true, false])
    func reset(isClient: Bool) throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        let (first, second) = isClient ? (client, broker) : (broker, client)
        first.reset()
        #expect(try second.receiveToEnd().bytes == [])
        rig.reaches(isClient ? .clientReset : .serverReset, 1)
        rig.finish()
    }

    @Test("A reset is noticed while the other side takes nothing", arguments: [true, false])
    func resetWhileBlocked(isClient: Bool) throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        let (writer, reader) = isClient ? (client, broker) : (broker, client)
        let block = [UInt8](repeating: 1, count: 65_536)
        while true {
            if try writer.sendSome(block) == 0, !writer.happens(POLLOUT, within: 300) { break }
        }
        writer.reset()
        rig.reaches(isClient ? .clientReset : .serverReset, 1)
        rig.finish()
        reader.close()
    }

    @Test("A reset is noticed after the end of the stream", arguments: [true, false])
    func resetAfterEnd(isClient: Bool) throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let (client, broker) = try pair(rig, server)
        let (first, second) = isClient ? (client, broker) : (broker, client)
        first.shutdown()
        #expect(try second.receiveSome() == [])
        first.reset()
        rig.reaches(isClient ? .clientReset : .serverReset, 1)
        rig.finish()
        second.close()
    }

    @Test("What a server says before it closes with a reset reaches the client")
    func lastWords() throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        for size in [10, 3 << 20] {
            let (client, broker) = try pair(rig, server)
            let pattern = Pattern(seed: 5)
            let reading = try Worker { try client.receive(pattern, count: size, seed: 1) }
            try broker.send(pattern, count: size, seed: 2)
            #expect(try reading.join() == size)
            broker.reset()
            #expect(try client.receiveToEnd().bytes == [])
        }
        rig.finish()
    }

    @Test("2,000 sessions at once, each with its own answers")
    func many() throws {
        let brokers = [try Broker(), try Broker()]
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(brokers.map(\.address), loops: 2, capacity: 2048)
        let address = rig.address
        let workers = try (0..<4).map { worker in
            try Worker { () throws -> Int in
                let clients = try (0..<500).map { _ in try Peer(to: address) }
                for (number, client) in clients.enumerated() { try client.send(try connect("\(worker)-\(number)")) }
                var good = 0
                for client in clients where try client.receive(4) == accepted() { good += 1 }
                for (number, client) in clients.enumerated() { try client.send(id("message \(worker)-\(number)")) }
                for (number, client) in clients.enumerated() {
                    let message = id("message \(worker)-\(number)")
                    if try client.receive(message.count) != message { good -= 1 }
                }
                for (number, client) in clients.enumerated() {
                    if number % 2 == 0 { client.close() } else { client.reset() }
                }
                return good
            }
        }
        for worker in workers { #expect(try worker.join() == 500) }
        rig.finish()
        #expect(rig.count(.established) == 2000)
        #expect(brokers.map(\.seen.accepted) == [1000, 1000])
        #expect(rig.loops.allSatisfy { $0.counters[.accepted] > 500 }, "the kernel spreads over both loops")
    }

    @Test("Silence beyond the keep-alive ends a session, activity keeps it; the server's word wins")
    func keepAlive() throws {
        let broker = try Broker()
        let ordering = try Broker()
        defer {
            broker.stop()
            ordering.stop()
        }
        let rig = try Rig([broker.address])
        var properties = Properties()
        properties.append(.serverKeepAlive, 1)
        let connack = try ConnackDraft(properties: properties).encode(version: .v5)
        ordering.become(.answer(connack))
        let other = try Rig([ordering.address])

        let start = Clock.now
        let silent = try rig.session("silent", keepAlive: 1)
        let active = try rig.session("active", keepAlive: 1)
        let patient = try rig.session("patient", keepAlive: 60)
        let endless = try rig.session("endless", keepAlive: 0)
        let ordered = try other.client()
        try ordered.exchange(try connect("ordered", .v5, keepAlive: 600), expecting: connack)
        let pings = try Worker {
            for _ in 0..<9 {
                try active.exchange(pingreq, expecting: pingreq)
                _ = active.happens(POLLIN, within: 400)
            }
        }
        #expect(try silent.receiveToEnd().bytes == [])
        // MQTT 5.0, 3.1.2.10: one and a half keep-alives.
        #expect(Clock.now - start >= .milliseconds(1500))
        #expect(try ordered.receiveToEnd().bytes == [])
        #expect(Clock.now - start >= .milliseconds(1500))
        try pings.join()
        #expect(Clock.now - start >= .milliseconds(3200))
        #expect(rig.count(.idle) == 1 && other.count(.idle) == 1)
        for client in [active, patient, endless] {
            try client.exchange(pingreq, expecting: pingreq)
            client.close()
        }
        rig.finish()
        other.finish()
    }

    @Test("The listener's own idle timeout replaces the client's keep-alive")
    func idleTimeout() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], listener: { $0.idleTimeout = .milliseconds(300) })
        let client = try rig.session("quick", keepAlive: 600)
        #expect(try client.receiveToEnd().bytes == [])
        rig.reaches(.idle, 1)
        rig.finish()
    }

    @Test("A client that is not read because its server takes nothing is not silent")
    func blockedIsNotSilent() throws {
        let server = try Listener()
        let rig = try Rig([server.address], listener: { $0.idleTimeout = .seconds(1) })
        let (client, broker) = try pair(rig, server)
        let pattern = Pattern(seed: 4)
        var sent = 0
        while true {
            let count = try client.sendSome(pattern.bytes(at: sent, most: 65_536))
            sent += count
            if count == 0, !client.happens(POLLOUT, within: 2500) { break }
        }
        #expect(rig.count(.idle) == 0)
        let total = sent
        let reading = try Worker { try broker.receive(pattern, count: total, seed: 1) }
        #expect(try reading.join() == total)
        // And then it is.
        rig.reaches(.idle, 1)
        rig.finish()
    }
}
