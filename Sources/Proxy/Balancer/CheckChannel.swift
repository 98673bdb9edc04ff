// What lies between the words of a check and its socket: TLS, a WebSocket, both, or nothing.

import Balancing
import Linux
import TLS
import WebSocket
import Wire

/// How a check reaches its server.
struct CheckPlace: Sendable {
    var target: SocketAddress
    /// The addresses of ours that the connection may come from: the first that this host has, else the kernel's choice. A virtual one
    /// may be at the other host, and this one has to know its servers before it takes it.
    var sources: [IPAddress] = []
    /// What is spoken around the check.
    var transport = ServerTransport()
}

/// Carries a ``CheckConversation`` through the layers that the server's sessions have, without the socket.
///
/// It has the conversation's own shape: the same events, the same steps; only the bytes are those of the network.
struct CheckChannel {
    typealias Step = CheckConversation.Step

    private enum Stage {
        case resting, securing, upgrading, open
    }

    private let place: CheckPlace
    private var conversation: CheckConversation
    private var stage = Stage.resting
    private var tls: TLSSession?
    private var response: UpgradeResponseReader?
    /// The server's answer to our request, as far as it has come: the reader's bound and one read more.
    private var head: [UInt8] = []
    private var frames: FrameReader?

    init(_ conversation: CheckConversation, _ place: CheckPlace) {
        self.conversation = conversation
        self.place = place
    }

    /// The connection is there.
    mutating func connected(at now: Instant) -> Step {
        guard case .resting = stage else { return Step() }
        guard let context = place.transport.tls else { return secured(at: now) }
        do throws(TLSError) {
            let session = try TLSSession(context, to: place.target.address)
            tls = session
            stage = .securing
            return Step(send: session.takeCiphertext(limit: session.unsent))
        } catch {
            // The library's own want tells nothing about the server.
            return Step(result: .event(.checkSkipped))
        }
    }

    /// Bytes came.
    mutating func received(_ bytes: [UInt8], at now: Instant) -> Step {
        guard let tls else { return heard(bytes, at: now) }
        do throws(TLSError) {
            try tls.receive(bytes.span)
            var step = Step()
            if case .securing = stage {
                guard tls.state != .handshaking else { return Step(send: tls.takeCiphertext(limit: tls.unsent)) }
                step = secured(at: now)
            }
            while step.result == nil {
                let text = try tls.readPlaintext()
                if text.isEmpty { break }
                step.append(heard(text, at: now))
            }
            if step.result == nil, tls.state == .ended { step.append(ended(at: now)) }
            return step
        } catch {
            // Whoever listens there is told why.
            return Step(
                send: tls.takeCiphertext(limit: tls.unsent), result: .event(.checkFailed(.handshake("\(error)"))))
        }
    }

    /// The server closed, or the connection broke.
    mutating func closed(at now: Instant) -> Step {
        switch stage {
        case .securing: Step(result: .event(.checkFailed(.handshake("the server closed"))))
        case .resting, .upgrading, .open: ended(at: now)
        }
    }

    /// The time is over.
    mutating func expired(at now: Instant) -> Step {
        switch stage {
        case .securing: Step(result: .event(.checkFailed(.handshake("no answer in time"))))
        case .upgrading: Step(result: .event(.checkFailed(.upgrade("no answer in time"))))
        case .resting, .open: conversation.expired(at: now)
        }
    }

    // MARK: Layers

    /// The server's TLS is there, or there is none.
    private mutating func secured(at now: Instant) -> Step {
        guard let target = place.transport.webSocket else {
            stage = .open
            return sealed(conversation.connected(at: now))
        }
        stage = .upgrading
        let random = (0..<HandshakeKey.count).map { _ in UInt8.random(in: 0 ... .max) }
        let offer = UpgradeOffer(
            host: target.host ?? "\(place.target)", target: target.target, key: HandshakeKey.text(random))
        response = UpgradeResponseReader(to: offer)
        do throws(UpgradeOffer.Unprintable) {
            return sealed(Step(send: try offer.encode()))
        } catch {
            preconditionFailure("our own request cannot be written: \(error.field)")
        }
    }

    /// What the server said, without its TLS.
    private mutating func heard(_ bytes: [UInt8], at now: Instant) -> Step {
        switch stage {
        case .resting, .securing: return Step()
        case .upgrading: return answered(bytes, at: now)
        case .open: return frames == nil ? sealed(conversation.received(bytes, at: now)) : unframed(bytes, at: now)
        }
    }

    /// More of the answer to our request for a WebSocket.
    private mutating func answered(_ bytes: [UInt8], at now: Instant) -> Step {
        guard var reader = response else { return Step() }
        head += bytes
        do throws(UpgradeResponseReader.Failure) {
            guard case .accepted(let length) = try reader.read(head.span) else {
                response = reader
                return Step()
            }
            let rest = Array(head.dropFirst(length))
            (response, head, stage) = (nil, [], .open)
            frames = FrameReader(policy: FramePolicy(isPeerClient: false))
            var step = sealed(conversation.connected(at: now))
            if step.result == nil, !rest.isEmpty { step.append(unframed(rest, at: now)) }
            return step
        } catch {
            return sealed(Step(result: .event(.checkFailed(.upgrade(Self.words(error))))))
        }
    }

    /// What is in the frames that came; pings are answered.
    private mutating func unframed(_ bytes: [UInt8], at now: Instant) -> Step {
        guard var reader = frames else { return Step() }
        var bytes = bytes
        var ranges: [Range<Int>] = []
        var step = Step()
        var isClosed = false
        do throws(FrameViolation) {
            var span = bytes.mutableSpan
            var offset = 0
            while offset < span.count {
                let next = try reader.next(&span, from: offset)
                offset = next.end
                switch next.event {
                case .needMore, .pong: break
                case .data(let range): ranges.append(range)
                case .ping(let frame): step.append(sealed(Step(send: Frame.answer(to: frame, mask: Self.mask)), isFramed: true))
                case .close: isClosed = true
                }
            }
        } catch {
            return sealed(Step(result: .event(.checkFailed(.upgrade("\(error.rule)")))))
        }
        frames = reader
        for range in ranges where step.result == nil {
            step.append(sealed(conversation.received(Array(bytes[range]), at: now)))
        }
        if isClosed, step.result == nil { step.append(ended(at: now)) }
        return step
    }

    private mutating func ended(at now: Instant) -> Step {
        switch stage {
        case .upgrading: Step(result: .event(.checkFailed(.upgrade("the server closed"))))
        case .resting, .securing, .open: conversation.closed(at: now)
        }
    }

    /// A step with its bytes as the network has them; a result takes every layer's goodbye along.
    private mutating func sealed(_ step: Step, isFramed: Bool = false) -> Step {
        var bytes = step.send
        if frames != nil {
            if !bytes.isEmpty, !isFramed { bytes = Frame.encode(.binary, bytes, mask: Self.mask) }
            if step.result != nil { bytes += Frame.close(.normal, mask: Self.mask) }
        }
        guard let tls else { return Step(send: bytes, result: step.result) }
        do throws(TLSError) {
            try tls.write(bytes.span)
        } catch {
            return Step(result: step.result ?? .event(.checkFailed(.handshake("\(error)"))))
        }
        if step.result != nil { tls.close() }
        return Step(send: tls.takeCiphertext(limit: tls.unsent), result: step.result)
    }

    /// Unguessable, of one frame alone (RFC 6455, 5.3).
    private static var mask: UInt32 { .random(in: 0 ... .max) }

    private static func words(_ failure: UpgradeResponseReader.Failure) -> String {
        switch failure {
        case .malformed, .tooLong, .tooManyFields: "its answer is not HTTP"
        case .status(let status): "answered with HTTP status \(status)"
        case .notUpgraded: "answered 101 without an upgrade"
        case .accept: "answered to another key"
        case .subprotocol: "does not take the subprotocol mqtt"
        case .extension: "wants an extension that was not offered"
        }
    }
}
