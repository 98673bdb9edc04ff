// A name server on loopback that says what a test wants.

import Glibc
import Linux
import Synchronization
import Testing
import Wire

/// Answers questions for addresses (RFC 1035) from a table, or not at all: by datagram, and over TCP what does not fit.
final class NameServer: Sendable {
    private struct State {
        var addresses: [String: [IPAddress]] = [:]
        var silent: Set<AddressFamily> = []
        var lost = 0
        var isCut = false
        var areStreamsCut = false
        var isStopping = false
        var questions = 0
        var streams = 0
    }

    let address: SocketAddress
    private let state = Mutex(State())
    private let number: Int32
    private let listener: FileDescriptor

    init() throws {
        number = try check("socket") { socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) }
        // The port of the listener is seldom somebody's for datagrams.
        listener = try Socket.listen(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 8, reusePort: false)
        address = try #require(Socket.localAddress(listener.number))
        try Socket.bind(number, address)
        try Socket.setReceiveTimeout(number, seconds: 1)
        _ = try Thread(name: "name-server") { [self] in serve() }
        _ = try Thread(name: "name-streams") { [self] in serveStreams() }
    }

    func set(_ name: String, _ addresses: [IPAddress]) { state.withLock { $0.addresses[name] = addresses } }
    func setSilent(_ isSilent: Bool) { setSilent(isSilent ? [.ipv4, .ipv6] : []) }
    /// Questions for these families get no answer.
    func setSilent(_ families: Set<AddressFamily>) { state.withLock { $0.silent = families } }
    /// The next questions get no answer.
    func lose(_ count: Int) { state.withLock { $0.lost = count } }
    /// Answers by datagram say that they were cut, and hold the first address alone.
    func setCut(_ isCut: Bool, overStreams: Bool = false) {
        state.withLock { ($0.isCut, $0.areStreamsCut) = (isCut, overStreams) }
    }
    func stop() { state.withLock { $0.isStopping = true } }
    var questions: Int { state.withLock { $0.questions } }
    /// Questions that came over TCP.
    var streams: Int { state.withLock { $0.streams } }

    private func serveStreams() {
        while !state.withLock({ $0.isStopping }) {
            try? Descriptor.waitReadable(listener.number, until: Clock.now + .milliseconds(100))
            guard let accepted = try? Socket.accept(listener.number) else { continue }
            let socket = accepted.take()
            try? Descriptor.waitReadable(socket.number, until: Clock.now + .seconds(10))
            guard let bytes = try? Descriptor.read(socket.number, limit: 512), bytes.count > 14,
                let answer = answer(Array(bytes[2...]), isStream: true)
            else { continue }
            state.withLock { $0.streams += 1 }
            let length = [UInt8(answer.count >> 8), UInt8(truncatingIfNeeded: answer.count)]
            // In two pieces, the second of which comes later.
            try? Descriptor.writeAll(socket.number, length + answer.prefix(20))
            usleep(1000)
            try? Descriptor.writeAll(socket.number, Array(answer.dropFirst(20)))
        }
    }

    private func serve() {
        var bytes = [UInt8](repeating: 0, count: 512)
        while !state.withLock({ $0.isStopping }) {
            var (peer, length) = address.storage
            // Sound: buffer, address and length live on the stack for the duration of the call.
            let count = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe recvfrom(number, &bytes, bytes.count, 0, $0, &length)
                }
            }
            guard count > 12, let answer = answer(Array(bytes[..<count])) else { continue }
            // Sound: the address is the one just received.
            _ = unsafe withUnsafePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe sendto(number, answer, answer.count, 0, $0, length)
                }
            }
        }
        Descriptor.close(number)
    }

    private func answer(_ question: [UInt8], isStream: Bool = false) -> [UInt8]? {
        var labels: [String] = []
        var place = 12
        while place < question.count, question[place] != 0 {
            let end = place + 1 + Int(question[place])
            guard end < question.count else { return nil }
            labels.append(String(decoding: question[(place + 1)..<end], as: UTF8.self))
            place = end
        }
        let family: AddressFamily = question[place + 2] == 28 ? .ipv6 : .ipv4
        let (known, isCut) = state.withLock { state -> ([IPAddress]??, Bool) in
            state.questions += 1
            guard !state.silent.contains(family), state.lost == 0 else {
                state.lost = max(0, state.lost - 1)
                return (.none, false)
            }
            return (.some(state.addresses[labels.joined(separator: ".")]), isStream ? state.areStreamsCut : state.isCut)
        }
        guard let known else { return nil }
        let fitting = (known ?? []).filter { $0.family == family }.prefix(isCut ? 1 : .max)
        let flags: [UInt8] = [isCut ? 0x83 : 0x81, known == nil ? 0x83 : 0x80]
        var answer = Array(question[..<2]) + flags + [0, 1, 0, UInt8(fitting.count), 0, 0, 0, 0]
        answer += question[12..<(place + 5)]
        for address in fitting {
            answer += [0xC0, 12] + question[(place + 1)..<(place + 5)] + [0, 0, 0, 1, 0, UInt8(address.octets.count)]
            answer += address.octets
        }
        return answer
    }
}
