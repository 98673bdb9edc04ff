// A name server on loopback that says what a test wants.

import Glibc
import Linux
import Synchronization
import Testing
import Wire

/// Answers questions for addresses (RFC 1035) from a table, or not at all.
final class NameServer: Sendable {
    private struct State {
        var addresses: [String: [IPAddress]] = [:]
        var isSilent = false
        var isStopping = false
        var questions = 0
    }

    let address: SocketAddress
    private let state = Mutex(State())
    private let number: Int32

    init() throws {
        number = try check("socket") { socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) }
        try Socket.bind(number, SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0))
        try Socket.setReceiveTimeout(number, seconds: 1)
        address = try #require(Socket.localAddress(number))
        _ = try Thread(name: "name-server") { [self] in serve() }
    }

    func set(_ name: String, _ addresses: [IPAddress]) { state.withLock { $0.addresses[name] = addresses } }
    func setSilent(_ isSilent: Bool) { state.withLock { $0.isSilent = isSilent } }
    func stop() { state.withLock { $0.isStopping = true } }
    var questions: Int { state.withLock { $0.questions } }

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

    private func answer(_ question: [UInt8]) -> [UInt8]? {
        var labels: [String] = []
        var place = 12
        while place < question.count, question[place] != 0 {
            let end = place + 1 + Int(question[place])
            guard end < question.count else { return nil }
            labels.append(String(decoding: question[(place + 1)..<end], as: UTF8.self))
            place = end
        }
        let isIPv6 = question[place + 2] == 28
        let known = state.withLock { state -> [IPAddress]?? in
            state.questions += 1
            return state.isSilent ? .none : .some(state.addresses[labels.joined(separator: ".")])
        }
        guard let known else { return nil }
        let fitting = (known ?? []).filter { $0.family == (isIPv6 ? .ipv6 : .ipv4) }
        var answer = Array(question[..<2]) + [0x81, known == nil ? 0x83 : 0x80, 0, 1, 0, UInt8(fitting.count), 0, 0, 0, 0]
        answer += question[12..<(place + 5)]
        for address in fitting {
            answer += [0xC0, 12] + question[(place + 1)..<(place + 5)] + [0, 0, 0, 1, 0, UInt8(address.octets.count)]
            answer += address.octets
        }
        return answer
    }
}
