// Carries out a smoke test over a real connection: plain, TLS, WebSocket, or both.

import Configuration
import Linux
import MQTT
import TLS
import WebSocket
import Wire

/// One smoke test against a URL.
package final class SmokeRun {
    /// Whose word a server's certificate is taken on.
    package enum Trust: Sendable {
        case system
        /// A PEM file of authorities.
        case file(String)
        /// Whoever answers is believed.
        case nobody
    }

    private let url: BenchURL
    private let loop: EventLoop
    private let tell: (SmokeTest.Finding) -> Void
    private let settings: SmokeTest.Settings
    private var test: SmokeTest
    private var stream: BenchStream?
    private var buffers = BenchBuffers()
    private var received: [UInt8] = []
    private var isConnected = false
    private var isOpen = false
    private var isGood: Bool?

    private init(
        _ url: BenchURL, _ settings: SmokeTest.Settings, tell: @escaping (SmokeTest.Finding) -> Void
    ) throws(Errno) {
        self.url = url
        self.settings = settings
        self.tell = tell
        loop = try EventLoop()
        test = SmokeTest(settings, at: Clock.now)
    }

    /// Runs a test to its end.
    ///
    /// - Parameter tell: is told each step as it is done.
    /// - Returns: whether everything worked.
    /// - Throws: why it cannot begin.
    package static func run(
        _ url: BenchURL, trust: Trust, _ settings: SmokeTest.Settings, tell: @escaping (SmokeTest.Finding) -> Void
    ) throws -> Bool {
        let address = try url.address()
        let context = url.scheme.isEncrypted ? try BenchSecurity.client(of: url.host, trust) : nil
        let run = try SmokeRun(url, settings, tell: tell)
        let session = try context.map { context throws(TLSError) in try TLSSession(context, to: address.address) }
        return try run.go(to: address, session)
    }

    private func go(to address: SocketAddress, _ session: TLSSession?) throws -> Bool {
        let random = (0..<HandshakeKey.count).map { _ in UInt8.random(in: 0 ... .max) }
        let offer =
            url.scheme.isWebSocket
            ? UpgradeOffer(host: url.host, target: url.path, key: HandshakeKey.text(random)) : nil
        do throws(Errno) {
            let stream = BenchStream(try Socket.connect(address), .client(offer: offer), tls: session)
            self.stream = stream
            try loop.add(stream.number, .writable) { [unowned self] _ in ready(session) }
        } catch {
            take(.closed("\(error)"))
        }
        while isGood == nil {
            try loop.turn(limit: .milliseconds(50))
            take(.timer)
        }
        return isGood ?? false
    }

    private func ready(_ session: TLSSession?) {
        guard let stream, isGood == nil else { return }
        do throws(BenchFailure) {
            if isConnected {
                try stream.receive(&buffers, ending: true) { bytes, _ in
                    for index in 0..<bytes.count { received.append(bytes[index]) }
                }
            } else {
                let code = Socket.error(stream.number)
                guard code == 0 else { throw BenchFailure(errno: code) }
                isConnected = true
                take(.reached)
                // What is sent here always finds room; from now on only answers matter.
                do throws(Errno) { try loop.modify(stream.number, .readable) } catch { throw BenchFailure(errno: error.code) }
                try stream.begin(&buffers)
            }
            digest(stream, session)
        } catch {
            // What came before the end counts.
            digest(stream, session)
            take(.closed(error.reason))
        }
    }

    /// Hands on what has come so far.
    private func digest(_ stream: BenchStream, _ session: TLSSession?) {
        if isConnected, !isOpen, stream.isOpen {
            isOpen = true
            take(.opened(layers(session)))
        }
        var offset = 0
        while isGood == nil, offset < received.count {
            do throws(Violation) {
                let bytes = received.span.extracting(offset..<received.count)
                guard case .packet(let packet, let length) = try Packet.read(bytes, version: settings.version) else { break }
                offset += length
                take(.packet(packet))
            } catch {
                take(.closed("what came is no MQTT: \(error.rule)"))
            }
        }
        received.removeFirst(offset)
    }

    /// What is spoken around MQTT; `nil`: nothing.
    private func layers(_ session: TLSSession?) -> String? {
        var words: [String] = []
        if let facts = session?.facts {
            words.append("\(facts.version), \(facts.cipher)")
            if let name = facts.certificate?.commonName { words.append("certificate of \(name)") }
        }
        if url.scheme.isWebSocket { words.append("WebSocket \(url.path)") }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    private func take(_ event: SmokeTest.Event) {
        let actions = test.handle(event, at: Clock.now)
        for finding in actions.findings { tell(finding) }
        for packet in actions.send {
            do {
                let bytes = BenchStream.framed(
                    try packet.encode(version: settings.version), isWebSocket: url.scheme.isWebSocket, isClient: true)
                try stream?.write(bytes, &buffers)
            } catch {
                // The end of the connection tells more than that it takes nothing.
                continue
            }
        }
        if let isGood = actions.isGood {
            self.isGood = isGood
            if let stream { loop.remove(stream.number) }
        }
    }
}
