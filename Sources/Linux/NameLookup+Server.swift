// Asking one name server (RFC 1035): both families at once by datagram, repeated, and by stream what does not fit.

import CLinux
import Glibc
package import Wire

extension NameLookup {
    /// How often a question is sent within its timeout: one lost datagram must not look like no answer.
    private static let sendings = 3

    /// Asks one name server for both families.
    ///
    /// - Parameter timeout: of the questions by datagram; an answer that has to be fetched by stream gets as much again.
    package static func ask(_ server: SocketAddress, _ name: String, timeout: Duration) -> Answer {
        var questions: [AddressFamily: NameQuestion] = [:]
        for family in [AddressFamily.ipv4, .ipv6] {
            guard let question = NameQuestion(name, family: family, identifier: UInt16.random(in: .min ... .max)) else {
                return Answer(failure: Failure(description: "\"\(name)\" is not a host name", isFinal: true))
            }
            questions[family] = question
        }
        var exchange = Exchange(server: server, questions: questions)
        let start = Clock.now
        do throws(Errno) {
            let socket = try open(server)
            for sending in 1...sendings where !exchange.questions.isEmpty {
                for question in exchange.questions.values { try Descriptor.write(socket.number, question.message.span) }
                let until = start + timeout * sending / sendings
                while !exchange.questions.isEmpty, let bytes = try receive(socket.number, by: until) { exchange.take(bytes) }
            }
        } catch {
            exchange.failure = exchange.failure ?? Failure(description: "\(error)")
        }
        for (family, question) in exchange.truncated { exchange.fetch(family, question, by: Clock.now + timeout) }
        return exchange.answer(within: timeout)
    }

    /// The questions of one name, and what came of them.
    private struct Exchange {
        let server: SocketAddress
        /// Those without an answer.
        var questions: [AddressFamily: NameQuestion]
        /// Those whose answer did not fit into a datagram.
        var truncated: [AddressFamily: NameQuestion] = [:]
        var addresses: [IPAddress] = []
        var unanswered: Set<AddressFamily> = []
        var isDenied = false
        var failure: Failure?

        init(server: SocketAddress, questions: [AddressFamily: NameQuestion]) {
            self.server = server
            self.questions = questions
        }

        /// Takes in a datagram, if it answers one of the questions.
        mutating func take(_ bytes: [UInt8]) {
            for (family, question) in questions {
                guard let answer = question.answer(bytes) else { continue }
                questions[family] = nil
                take(answer, family, question)
            }
        }

        private mutating func take(_ answer: NameQuestion.Answer, _ family: AddressFamily, _ question: NameQuestion) {
            switch answer {
            case .addresses(let found): addresses += found
            // NXDOMAIN: there is no such name. Some say so of a family that a name has not.
            case .failed(code: 3): isDenied = true
            case .failed(let code): fail(family, "the name server \(server) answers with code \(code)")
            case .truncated: truncated[family] = question
            }
        }

        /// Asks by stream what was too long for a datagram.
        mutating func fetch(_ family: AddressFamily, _ question: NameQuestion, by deadline: Instant) {
            do throws(Errno) {
                switch try NameLookup.askByStream(server, question, by: deadline) {
                case nil, .truncated: fail(family, "the name server \(server) gives no whole answer over TCP")
                case let answer?: take(answer, family, question)
                }
            } catch {
                fail(family, "\(error)")
            }
        }

        private mutating func fail(_ family: AddressFamily, _ why: String) {
            unanswered.insert(family)
            failure = failure ?? Failure(description: "\(NameLookup.word(family)): \(why)")
        }

        func answer(within timeout: Duration) -> Answer {
            var failure = failure
            if failure == nil, !questions.isEmpty {
                let of = questions.count == 1 ? questions.keys.map { " for \(NameLookup.word($0)) addresses" }.joined() : ""
                failure = Failure(
                    description: "no answer\(of) from \(server) within \(timeout.wholeMilliseconds) ms")
            }
            if failure == nil, addresses.isEmpty {
                failure = Failure(
                    description: isDenied ? "there is no such name" : "the name has no address", isFinal: true)
            }
            return Answer(addresses: addresses, unanswered: unanswered.union(questions.keys), failure: failure)
        }
    }

    // MARK: Datagrams

    /// A datagram socket that hears this server only.
    private static func open(_ server: SocketAddress) throws(Errno) -> FileDescriptor {
        let flags = Int32(CL_SOCK_DGRAM) | Int32(CL_SOCK_NONBLOCK) | Int32(CL_SOCK_CLOEXEC)
        let socket = FileDescriptor(
            owning: try check("socket") { Glibc.socket(number(server.address.family), flags, 0) })
        var (storage, length) = server.storage
        // Sound: the address lives on the stack for the duration of the call.
        try check("connect \(server)") { unsafe cl_connect(socket.number, &storage, length) }
        return socket
    }

    /// The next datagram; `nil` when none came in time.
    private static func receive(_ number: Int32, by deadline: Instant) throws(Errno) -> [UInt8]? {
        guard isReady(number, POLLIN, by: deadline) else { return nil }
        return try Descriptor.read(number, limit: 4096)
    }

    /// Waits until something can be done with a socket.
    ///
    /// - Returns: `false` when that is not so in time.
    private static func isReady(_ number: Int32, _ events: Int32, by deadline: Instant) -> Bool {
        while true {
            let left = (deadline - Clock.now).wholeMilliseconds
            guard left > 0 else { return false }
            var entry = pollfd(fd: number, events: Int16(events), revents: 0)
            // Sound: the entry lives on the stack for the duration of the call.
            let count = unsafe poll(&entry, 1, Int32(clamping: left))
            if count < 0, cl_errno() == EINTR { continue }
            return count > 0
        }
    }

    // MARK: Streams

    /// Asks one question over TCP (RFC 7766, 8: each message behind its length in two octets).
    ///
    /// - Returns: `nil` when no whole answer came in time.
    private static func askByStream(
        _ server: SocketAddress, _ question: NameQuestion, by deadline: Instant
    ) throws(Errno) -> NameQuestion.Answer? {
        let socket = try Socket.connect(server)
        guard isReady(socket.number, POLLOUT, by: deadline) else { return nil }
        let code = Socket.error(socket.number)
        guard code == 0 else { throw Errno(code, "connect \(server)") }
        let message = question.message
        // At most 273 octets, the first on this connection: its buffer takes them all.
        guard case .moved = Socket.send(socket.number, (Self.length(message.count) + message).span) else { return nil }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Bounded by the largest length there is.
        while true {
            if received.count >= 2 {
                let end = 2 + (Int(received[0]) << 8 | Int(received[1]))
                if received.count >= end { return question.answer(Array(received[2..<end])) }
            }
            switch Socket.receive(socket.number, into: &buffer) {
            case .moved(let count): received += buffer[..<count]
            case .wouldBlock: guard isReady(socket.number, POLLIN, by: deadline) else { return nil }
            case .ended: return nil
            case .failed(let code): throw Errno(code, "recv")
            }
        }
    }

    private static func length(_ count: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)] }
}
