// Health checks of servers that expect a PROXY header.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("A health check's PROXY header")
struct CheckHeaderTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let version: UInt8
        let header: Configuration.CheckHeader
        let kind: Configuration.CheckSettings.Kind
        var testDescription: String { "v\(version) \(header.rawValue) \(kind)" }
    }

    static let cases: [Case] = [1, 2].flatMap { version in
        Configuration.CheckHeader.allCases.flatMap { header in
            [Configuration.CheckSettings.Kind.mqtt, .tcp].map { Case(version: version, header: header, kind: $0) }
        }
    }

    @Test("is the one the backend asks for, with the CONNECT in one write", arguments: cases)
    func sends(given: Case) throws {
        let server = try Listener()
        var settings = Configuration.BackendSettings(
            name: "b", servers: [Configuration.ServerSettings(name: "s", address: server.address)])
        settings.proxySending = .init(version: given.version)
        settings.checkHeader = given.header
        settings.check.kind = given.kind
        settings.check.rise = 1
        let backend = try BackendRuntime(
            number: 0, settings: settings, table: nil, seed: 1, at: Clock.now, checksMoved: {})
        let bell = try Bell()
        let worker = try Worker {
            let loop = try EventLoop()
            let prober = Prober(on: loop, node: nil)
            try loop.add(bell.number, .readable) { [unowned loop] _ in loop.stop() }
            prober.adopt([backend])
            try loop.run()
        }
        try #require(server.isKnocked(within: Peer.patience))
        guard let arrived = try Socket.accept(server.number), let remote = arrived.address else {
            throw Peer.Failure.timeout("accept")
        }
        let peer = Peer(arrived.take())
        let end = try #require(Socket.localAddress(peer.number))
        let bytes = given.kind == .tcp ? try peer.receiveToEnd().bytes : try peer.receiveSome()
        let header: [UInt8] =
            switch (given.version, given.header) {
            case (_, .none): []
            case (1, .local): id("PROXY UNKNOWN\r\n")
            case (1, .addresses): id("PROXY TCP4 127.0.0.1 127.0.0.1 \(remote.port) \(end.port)\r\n")
            case (_, .local): Header.v2([0x20, 0x00], [])
            case (_, .addresses):
                Header.v2(
                    [0x21, 0x11],
                    [127, 0, 0, 1, 127, 0, 0, 1] + [remote.port, end.port].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] })
            }
        #expect(Array(bytes.prefix(header.count)) == header)
        let rest = Array(bytes.dropFirst(header.count))
        if given.kind == .tcp {
            #expect(rest.isEmpty)
        } else {
            guard case .connect = try ConnectSniffer().sniff(rest.span) else {
                Issue.record("no CONNECT behind the header: \(rest)")
                return
            }
            try peer.send(accepted())
        }
        #expect(eventually { backend.current.servers[0].health.status == .up })
        bell.ring()
        try worker.join()
        peer.close()
    }
}
