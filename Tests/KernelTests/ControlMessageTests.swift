// The octets of control messages, bundles and names.

import Control
import Linux
import Testing
import Wire

@Suite("Control messages")
struct ControlMessageTests {
    private static let orders: [SupervisorMessage] = [
        .descriptors([]), .descriptors([.pairSecret, .memory("table/a b"), .listener("a/b", bind: 3, loop: 17)]),
        .prepare(generation: 1), .commit(generation: .max), .cancel(generation: 0),
        .query(id: 5, request: ["command": "status"]), .admin(request: ["command": "clients", "server": "emqx1"]),
        .balancerLink, .vipLink, .stop(deadline: Instant(nanoseconds: 123_456_789)), .believe,
        .drain(deadline: Instant(nanoseconds: 5), rate: 500),
        .handOver(program: "/usr/sbin/understudy"),
    ]

    private static let reports: [ChildMessage] = [
        .prepared(generation: 1), .refused(generation: 2, reason: "understudy.conf:3:1: über"),
        .serving(generation: 3), .program(File.Identity(device: 7, number: .max)), .beat, .reply(id: 9, answer: ["role": "active"]), .state("active, 3 servers"),
        .heartbeat(thread: 4711),
        .held, .succeeded(pid: 4711), .gaveUp(reason: "8 died"), .drained,
    ]

    private static let beat = BalancerBeat(
        serving: true, settled: true, inSync: false, peerLinked: true, sessions: 5000, usableServers: 2,
        backends: [.init(name: "emqx", usableServers: 2), .init(name: "backup", usableServers: 0)],
        peer: .init(number: 77, age: .microseconds(1500), routers: [report]), drained: true)
    private static let notice = VipNotice(
        routers: [.init(name: "mqtt", role: .backup)], steppingDown: false, time: Instant(nanoseconds: 5_000_000_000),
        reports: [report])
    private static let report = RouterReport(
        name: "mqtt", isActive: true, isWilling: false, priority: 150, address: .v4(IPv4Address(10, 0, 0, 11)))

    private func octets(_ message: some ControlMessage) -> [UInt8] {
        var bytes: [UInt8] = []
        message.write(into: &bytes)
        return bytes
    }

    /// Parsing gives back what was written, and no shorter or longer form is accepted.
    private func roundTrip<Message: ControlMessage & Equatable>(_ message: Message) throws {
        func parse(_ bytes: [UInt8]) throws -> Message { try Message(parsing: bytes.span) }
        let bytes = octets(message)
        let parsed = try parse(bytes)
        #expect(parsed == message)
        for length in 0..<bytes.count {
            let short = Array(bytes[..<length])
            #expect(throws: MalformedMessage.self) { try parse(short) }
        }
        #expect(throws: MalformedMessage.self) { try parse(bytes + [0]) }
    }

    @Test("an order comes back as it was written", arguments: orders)
    func order(_ order: SupervisorMessage) throws { try roundTrip(order) }

    @Test("a report comes back as it was written", arguments: reports)
    func report(_ report: ChildMessage) throws { try roundTrip(report) }

    @Test("a beat and a notice come back as they were written")
    func link() throws {
        try roundTrip(Self.beat)
        try roundTrip(Self.notice)
    }

    @Test("every changed octet is refused or read as another message, never a trap")
    func changed() {
        var generator = SeededGenerator(seed: 20_261_120)
        let forms = Self.orders.map(octets) + Self.reports.map(octets) + [octets(Self.beat), octets(Self.notice)]
        for form in forms {
            for _ in 0..<300 {
                var bytes = form
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                _ = try? SupervisorMessage(parsing: bytes.span)
                _ = try? ChildMessage(parsing: bytes.span)
                _ = try? BalancerBeat(parsing: bytes.span)
                if let notice = try? VipNotice(parsing: bytes.span) { #expect(notice.routers.count <= 255) }
            }
        }
    }

    @Test(
        "a descriptor's name is read as it is written",
        arguments: ["listener/mqtt/0/1", "listener/a/b/2/3", "memory/table/sessions", "secret/pair"])
    func name(text: String) { #expect(DescriptorName(text)?.text == text) }

    @Test(
        "other names are refused",
        arguments: [
            "", "listener", "listener/", "listener/mqtt", "listener/mqtt/0", "listener//0/1", "listener/mqtt/0/x",
            "listener/mqtt/00/1", "listener/mqtt/0/65536", "memory/", "file/x",
        ])
    func notAName(text: String) { #expect(DescriptorName(text) == nil) }

    @Test("a bundle travels through a sealed memfd")
    func bundle() throws {
        let bundle = ConfigurationBundle(
            node: "lb1",
            files: [
                .init(path: "/etc/understudy/understudy.conf", bytes: Array("include more.conf\n".utf8)),
                .init(path: "/etc/understudy/more.conf", bytes: []),
            ])
        let file = try bundle.sealed()
        #expect(Memfd.isSealed(file.number))
        #expect(try ConfigurationBundle(reading: file.number) == bundle)
        #expect(bundle.file(at: "/etc/understudy/more.conf")?.bytes == [])
        func parse(_ bytes: [UInt8]) throws -> ConfigurationBundle { try ConfigurationBundle(parsing: bytes.span) }
        let bytes = bundle.encoded
        for length in 0..<bytes.count {
            let short = Array(bytes[..<length])
            #expect(throws: MalformedMessage.self) { try parse(short) }
        }
        var alone = bundle
        alone.node = nil
        let parsed = try parse(alone.encoded)
        #expect(parsed == alone)
    }
}
