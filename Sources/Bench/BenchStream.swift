// One connection of the generator or the test broker: plain, TLS, WebSocket, or both.

import Linux
import TLS
import WebSocket
import Wire

/// Why a connection is over.
struct BenchFailure: Error {
    /// A few words without an address or number, so that failures can be counted by them.
    let reason: String

    init(_ reason: String) { self.reason = reason }

    /// The kernel's word.
    init(errno: Int32) { reason = Errno.text(errno) }
}

/// Memory for bytes on their way, shared by the connections of a thread.
struct BenchBuffers {
    static let size = 65_536

    /// Bytes of a socket.
    var raw = [UInt8](repeating: 0, count: size)
    /// Bytes of a TLS session.
    var plain = [UInt8](repeating: 0, count: TLSSession.recordSize)
    /// Bytes for a socket.
    var cipher = [UInt8](repeating: 0, count: TLSSession.recordSize + 512)
}

/// A socket and what is spoken over it. Nothing of it blocks.
final class BenchStream {
    /// Who we are to the other side.
    enum Role {
        case client(offer: UpgradeOffer?)
        case server(isWebSocket: Bool)
    }

    /// The WebSocket side: the upgrade, then frames.
    private struct Web {
        var reader: FrameReader
        /// The upgrade's text as far as it came.
        var head: [UInt8] = []
        var response: UpgradeResponseReader?
        var request: UpgradeRequestReader?
        var isOpen = false
    }

    /// Unsent bytes above this end the connection: the other side does not read.
    static let maximumUnsent = 4 << 20
    /// Frames of ours are masked with this: it keeps nothing secret here, and costs the other side the same.
    static let mask: UInt32 = 0x37FA_213D

    private let socket: FileDescriptor
    private let tls: TLSSession?
    private let offer: UpgradeOffer?
    private var web: Web?
    private var unsent: [UInt8] = []
    private var unsentStart = 0

    var number: Int32 { socket.number }

    init(_ socket: consuming FileDescriptor, _ role: Role, tls: TLSSession?) {
        self.socket = socket
        self.tls = tls
        switch role {
        case .client(let offer):
            self.offer = offer
            web = offer.map { Web(reader: FrameReader(policy: .init(isPeerClient: false)), response: .init(to: $0)) }
        case .server(let isWebSocket):
            offer = nil
            let policy = UpgradePolicy(requiresSubprotocol: false)
            web =
                isWebSocket
                ? Web(reader: FrameReader(policy: .init(isPeerClient: true)), request: .init(policy: policy)) : nil
        }
    }

    /// Whether packets can be sent: handshake and upgrade are done.
    var isOpen: Bool {
        if let tls, tls.state != .established { return false }
        return web?.isOpen ?? true
    }

    /// Whether packets travel in frames.
    var speaksFrames: Bool { web != nil }
    /// What resumes the session another time.
    var resumption: TLSResumption? { tls?.resumption }
    /// Whether the session was resumed itself.
    var isResumed: Bool { tls?.facts?.isResumed ?? false }

    /// A packet as it is given to ``write(_:_:)``: in a frame where frames are spoken.
    static func framed(_ packet: [UInt8], isWebSocket: Bool, isClient: Bool) -> [UInt8] {
        isWebSocket ? Frame.encode(.binary, packet, mask: isClient ? mask : nil) : packet
    }

    // MARK: Sending

    /// A client whose socket is connected begins: TLS, or the request, or nothing.
    func begin(_ buffers: inout BenchBuffers) throws(BenchFailure) {
        if tls != nil { try sendCiphertext(&buffers) } else { try sendOffer(&buffers) }
    }

    private func sendOffer(_ buffers: inout BenchBuffers) throws(BenchFailure) {
        guard let offer else { return }
        guard let request = try? offer.encode() else { throw BenchFailure("the request cannot be written") }
        try write(request, &buffers)
    }

    /// Sends all of it; what does not fit waits.
    func write(_ bytes: [UInt8], _ buffers: inout BenchBuffers) throws(BenchFailure) {
        try write(bytes.span, &buffers)
    }

    private func write(_ bytes: Span<UInt8>, _ buffers: inout BenchBuffers) throws(BenchFailure) {
        guard let tls else { return try sendOrKeep(bytes) }
        do {
            try tls.write(bytes)
        } catch {
            throw BenchFailure("TLS: \(error.kind)")
        }
        try sendCiphertext(&buffers)
    }

    /// Sends as much of `bytes` from `offset` on as the other side takes now; how many bytes that were.
    func offer(_ array: [UInt8], from offset: Int, _ buffers: inout BenchBuffers) throws(BenchFailure) -> Int {
        let bytes = array.span
        try flush()
        var taken = 0
        while unsentStart == unsent.count, offset + taken < bytes.count {
            if tls == nil {
                switch Socket.send(number, bytes.extracting((offset + taken)..<bytes.count)) {
                case .moved(let count): taken += count
                case .wouldBlock, .ended: return taken
                case .failed(let errno): throw BenchFailure(errno: errno)
                }
            } else {
                let part = min(TLSSession.recordSize, bytes.count - offset - taken)
                try write(bytes.extracting((offset + taken)..<(offset + taken + part)), &buffers)
                taken += part
            }
        }
        return taken
    }

    /// Sends what waits.
    func flush() throws(BenchFailure) {
        while unsentStart < unsent.count {
            switch Socket.send(number, unsent.span.extracting(unsentStart..<unsent.count)) {
            case .moved(let count): unsentStart += count
            case .wouldBlock, .ended: return
            case .failed(let errno): throw BenchFailure(errno: errno)
            }
        }
        if !unsent.isEmpty {
            unsent.removeAll(keepingCapacity: false)
            unsentStart = 0
        }
    }

    private func sendOrKeep(_ bytes: Span<UInt8>) throws(BenchFailure) {
        try flush()
        var sent = 0
        while unsentStart == unsent.count, sent < bytes.count {
            switch Socket.send(number, bytes.extracting(sent..<bytes.count)) {
            case .moved(let count): sent += count
            case .wouldBlock, .ended:
                unsent.reserveCapacity(bytes.count - sent)
                for index in sent..<bytes.count { unsent.append(bytes[index]) }
                return
            case .failed(let errno): throw BenchFailure(errno: errno)
            }
        }
        guard sent < bytes.count else { return }
        guard unsent.count - unsentStart + bytes.count <= Self.maximumUnsent else {
            throw BenchFailure("the other side does not read")
        }
        for index in sent..<bytes.count { unsent.append(bytes[index]) }
    }

    private func sendCiphertext(_ buffers: inout BenchBuffers) throws(BenchFailure) {
        guard let tls else { return }
        while true {
            var span = buffers.cipher.mutableSpan
            let count = tls.takeCiphertext(into: &span, at: 0)
            if count == 0 { return }
            try sendOrKeep(buffers.cipher.span.extracting(0..<count))
        }
    }

    // MARK: Receiving

    /// Hands on everything that has arrived.
    ///
    /// - Parameter ending: a short read does not mean that nothing more is there.
    func receive(
        _ buffers: inout BenchBuffers, ending: Bool, _ body: (Span<UInt8>, inout BenchBuffers) throws(BenchFailure) -> Void
    ) throws(BenchFailure) {
        while true {
            switch Socket.receive(number, into: &buffers.raw) {
            case .moved(let count):
                try decode(count, &buffers, body)
                if count < BenchBuffers.size, !ending { return }
            case .wouldBlock: return
            case .ended: throw BenchFailure("closed by the other side")
            case .failed(let errno): throw BenchFailure(errno: errno)
            }
        }
    }

    private func decode(
        _ count: Int, _ buffers: inout BenchBuffers, _ body: (Span<UInt8>, inout BenchBuffers) throws(BenchFailure) -> Void
    ) throws(BenchFailure) {
        guard let tls else {
            // Taken out while it is looked at, so that the reader may use the other buffers.
            var bytes: [UInt8] = []
            swap(&bytes, &buffers.raw)
            defer { swap(&bytes, &buffers.raw) }
            return try unframe(bytes, count, &buffers, body)
        }
        let wasOpen = tls.state == .established
        do {
            try tls.receive(buffers.raw.span.extracting(0..<count))
        } catch {
            try? sendCiphertext(&buffers)
            throw BenchFailure("TLS: \(error.kind)")
        }
        try sendCiphertext(&buffers)
        if !wasOpen, tls.state == .established { try sendOffer(&buffers) }
        while true {
            let part: Int
            do {
                var span = buffers.plain.mutableSpan
                part = try tls.readPlaintext(into: &span, at: 0, limit: TLSSession.recordSize)
            } catch {
                throw BenchFailure("TLS: \(error.kind)")
            }
            guard part > 0 else { break }
            var bytes: [UInt8] = []
            swap(&bytes, &buffers.plain)
            defer { swap(&bytes, &buffers.plain) }
            try unframe(bytes, part, &buffers, body)
        }
        if tls.state == .ended { throw BenchFailure("closed by the other side") }
    }

    private func unframe(
        _ bytes: [UInt8], _ count: Int, _ buffers: inout BenchBuffers,
        _ body: (Span<UInt8>, inout BenchBuffers) throws(BenchFailure) -> Void
    ) throws(BenchFailure) {
        guard web != nil else { return try body(bytes.span.extracting(0..<count), &buffers) }
        var offset = try upgrade(bytes, count, &buffers)
        // Frames are unmasked where they lie.
        var frames = Array(bytes[0..<count])
        while offset < count {
            let step: FrameReader.Step
            do {
                var span = frames.mutableSpan
                guard let next = try web?.reader.next(&span, from: offset) else { return }
                step = next
            } catch {
                throw BenchFailure("WebSocket: \(error.name)")
            }
            offset = step.end
            switch step.event {
            case .data(let range): try body(frames.span.extracting(range), &buffers)
            case .ping(let control):
                let answer = Frame.answer(to: control, mask: offer == nil ? nil : Self.mask)
                try write(answer, &buffers)
            case .close: throw BenchFailure("closed by the other side")
            case .needMore, .pong: break
            }
        }
    }

    /// Reads the upgrade while there is one; where frames begin.
    private func upgrade(_ bytes: [UInt8], _ count: Int, _ buffers: inout BenchBuffers) throws(BenchFailure) -> Int {
        guard var side = web, !side.isOpen else { return 0 }
        let before = side.head.count
        side.head += bytes[0..<count]
        var length: Int?
        var answer: [UInt8] = []
        do {
            let head = side.head
            if let outcome = try side.response?.read(head.span) {
                if case .accepted(let whole) = outcome { length = whole }
            } else if case .request(let request)? = try side.request?.read(head.span) {
                length = request.length
                answer = request.acceptance
            }
        } catch {
            throw BenchFailure("the WebSocket was refused")
        }
        if length != nil {
            side.isOpen = true
            side.head = []
        }
        web = side
        if !answer.isEmpty { try write(answer, &buffers) }
        return length.map { $0 - before } ?? count
    }
}
