// A syslog server for tests: what the session log sends, as it arrives.

import Configuration
import Linux
import Telemetry
import Testing
import Wire

@testable import Proxy

/// Receives datagrams over UDP, and a session log that sends there.
final class LogServer {
    let address: SocketAddress
    let log: Log
    let sessions: SessionLog
    private let socket: Int32

    init(
        _ settings: Configuration.LogSettings.SessionFormat = .tcplog, wire: SyslogSink.Format = .rfc3164,
        loops: Int = 1
    ) throws {
        let loopback = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0)
        socket = try DatagramSocket.receiver(at: loopback).release()
        address = try #require(Socket.localAddress(socket))
        log = try Log(process: "balancer", sink: .syslog(SyslogSink(.udp(address), facility: 19, format: wire)))
        try log.start()
        sessions = SessionLog(loops: loops, writtenBy: log)
        sessions.setFormat(settings)
    }

    deinit {
        log.close()
        Descriptor.close(socket)
    }

    /// What a listener's loops are told to write.
    func recording(_ which: Configuration.LogSettings.Sessions = .end, empty: Bool = false) -> SessionRecording? {
        var settings = Configuration.LogSettings()
        settings.sessions = which
        settings.logsEmptySessions = empty
        return SessionRecording(settings, sessions)
    }

    /// The next datagram.
    func receive() throws -> String {
        try Descriptor.waitReadable(socket, until: Clock.now + .milliseconds(Int64(Peer.patience)))
        return String(decoding: try Descriptor.read(socket, limit: 65_536), as: UTF8.self)
    }

    /// Whether nothing is waiting; ask only behind something that was sent later.
    var isEmpty: Bool { (try? Descriptor.read(socket, limit: 65_536)) == nil }
}
