// The addresses of host names: the system's way, or by asking one name server.

import CLinux
import Glibc
package import Wire

/// Looks names up. Every call waits: they are for a thread of their own.
package enum NameLookup {
    /// Why there is no answer.
    package struct Failure: Error, Hashable, CustomStringConvertible {
        package let description: String
        /// Whether somebody knows that the name does not exist, or has no address.
        package let isFinal: Bool
    }

    /// Asks the system (hosts file, resolv.conf): every IPv4 and IPv6 address, each once.
    package static func system(_ name: String) throws(Failure) -> [IPAddress] {
        // Sound: all zero but two numbers, as getaddrinfo wants its hints.
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(CL_SOCK_STREAM)
        unsafe hints.ai_family = AF_UNSPEC
        var list: UnsafeMutablePointer<addrinfo>?
        // Sound: name and hints live for the duration of the call, which fills `list` when it returns 0.
        let code = unsafe getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else {
            // Sound: the text is the library's own and lives as long as the process.
            let text = unsafe String(cString: gai_strerror(code))
            throw Failure(description: text, isFinal: code == EAI_NONAME)
        }
        // Sound: the list is freed once, after its last use.
        defer { unsafe freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        // Sound: the list ends in nil; an entry's address has the length the entry says, which is checked.
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ai_next
            let length = unsafe Int(entry.pointee.ai_addrlen)
            guard let address = unsafe entry.pointee.ai_addr, length <= MemoryLayout<sockaddr_storage>.size else {
                continue
            }
            var storage = sockaddr_storage()
            unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: address, count: length))
            }
            if let socket = SocketAddress(storage), !addresses.contains(socket.address) {
                addresses.append(socket.address)
            }
        }
        return addresses
    }

    /// Asks one name server for both families; good when one of them has an answer.
    package static func ask(
        _ server: SocketAddress, _ name: String, timeout: Duration
    ) throws(Failure) -> [IPAddress] {
        var addresses: [IPAddress] = []
        var failure: Failure?
        var isAnswered = false
        for family in [AddressFamily.ipv4, .ipv6] {
            do throws(Failure) {
                addresses += try ask(server, name, family, timeout: timeout)
                isAnswered = true
            } catch {
                failure = error
            }
        }
        if !addresses.isEmpty { return addresses }
        // One family without an answer may be the one that has addresses: that is no knowledge.
        if let failure { throw failure }
        guard isAnswered else { return [] }
        throw Failure(description: "the name has no address", isFinal: true)
    }

    private static func ask(
        _ server: SocketAddress, _ name: String, _ family: AddressFamily, timeout: Duration
    ) throws(Failure) -> [IPAddress] {
        guard let question = NameQuestion(name, family: family, identifier: UInt16.random(in: .min ... .max)) else {
            throw Failure(description: "\"\(name)\" is not a host name", isFinal: true)
        }
        do throws(Errno) {
            let socket = try open(server)
            try Descriptor.write(socket.number, question.message.span)
            let deadline = Clock.now + timeout
            while let bytes = try receive(socket.number, by: deadline) {
                switch question.answer(bytes) {
                case .addresses(let addresses): return addresses
                case .failed(let code):
                    throw Errno(code == 3 ? ENOENT : EPROTO, "name server: code \(code)")
                case nil: continue
                }
            }
        } catch {
            throw Failure(description: "\(error)", isFinal: error.code == ENOENT)
        }
        throw Failure(description: "no answer from \(server) within \(timeout.wholeMilliseconds) ms", isFinal: false)
    }

    /// A datagram socket that hears this server only.
    private static func open(_ server: SocketAddress) throws(Errno) -> FileDescriptor {
        let family = server.address.family == .ipv4 ? AF_INET : AF_INET6
        let flags = Int32(CL_SOCK_DGRAM) | Int32(CL_SOCK_NONBLOCK) | Int32(CL_SOCK_CLOEXEC)
        let socket = FileDescriptor(owning: try check("socket") { Glibc.socket(family, flags, 0) })
        var (storage, length) = server.storage
        // Sound: the address lives on the stack for the duration of the call.
        try check("connect \(server)") { unsafe cl_connect(socket.number, &storage, length) }
        return socket
    }

    /// The next datagram; `nil` when none came in time.
    private static func receive(_ number: Int32, by deadline: Instant) throws(Errno) -> [UInt8]? {
        while true {
            let left = (deadline - Clock.now).wholeMilliseconds
            guard left > 0 else { return nil }
            var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            // Sound: the entry lives on the stack for the duration of the call.
            let count = unsafe poll(&entry, 1, Int32(clamping: left))
            if count < 0, cl_errno() == EINTR { continue }
            guard count > 0 else { return nil }
            return try Descriptor.read(number, limit: 4096)
        }
    }
}
