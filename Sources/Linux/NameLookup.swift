// The addresses of host names: the system's way, or by asking one name server.

import CLinux
import Glibc
package import Wire

/// Looks names up. Every call waits: they are for threads of their own.
package enum NameLookup {
    /// Why there is no answer.
    package struct Failure: Error, Hashable, CustomStringConvertible {
        package let description: String
        /// Whether somebody knows that the name does not exist, or has no address.
        package let isFinal: Bool

        package init(description: String, isFinal: Bool = false) {
            self.description = description
            self.isFinal = isFinal
        }
    }

    /// What came of asking for both families of a name.
    package struct Answer: Hashable, Sendable {
        /// Of the families that were answered, each address once.
        package var addresses: [IPAddress] = []
        /// The families that nobody answered for: that is no knowledge, and what was known of them holds.
        package var unanswered: Set<AddressFamily> = []
        /// Why a family is unanswered, or why there is no address at all; `nil`: both were answered.
        package var failure: Failure?

        package init(addresses: [IPAddress] = [], unanswered: Set<AddressFamily> = [], failure: Failure? = nil) {
            self.addresses = addresses
            self.unanswered = unanswered
            self.failure = failure
        }
    }

    // MARK: The system's way

    /// Asks the system (hosts file, resolv.conf): every IPv4 and IPv6 address, each once.
    package static func system(_ name: String) throws(Failure) -> [IPAddress] { try system(name, AF_UNSPEC) }

    /// The same, for a name of which something is known.
    ///
    /// The library takes one family's answer for the whole when the other's was lost: a family that was known and is missing
    /// is asked for alone, which tells *none* from *nobody answered*.
    ///
    /// - Parameter known: families of which the name had addresses.
    package static func system(_ name: String, known: Set<AddressFamily>) -> Answer {
        var answer = Answer()
        do throws(Failure) { answer.addresses = try system(name) } catch {
            return Answer(unanswered: [.ipv4, .ipv6], failure: error)
        }
        for family in known where !answer.addresses.contains(where: { $0.family == family }) {
            do throws(Failure) {
                answer.addresses += try system(name, number(family))
            } catch where error.isFinal {
                // The family has no address any more.
            } catch {
                answer.unanswered.insert(family)
                answer.failure = Failure(description: "\(word(family)): \(error)")
            }
        }
        return answer
    }

    /// netdb.h's EAI_NODATA and EAI_ADDRFAMILY, which are the library's own: the name exists, and has no such address.
    private static let noSuchAddress: [Int32] = [-5, -9]

    private static func system(_ name: String, _ family: Int32) throws(Failure) -> [IPAddress] {
        // Sound: all zero but two numbers, as getaddrinfo wants its hints.
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(CL_SOCK_STREAM)
        unsafe hints.ai_family = family
        var list: UnsafeMutablePointer<addrinfo>?
        // Sound: name and hints live for the duration of the call, which fills `list` when it returns 0.
        let code = unsafe getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else {
            // Sound: the text is the library's own and lives as long as the process.
            let text = unsafe String(cString: gai_strerror(code))
            throw Failure(description: text, isFinal: code == EAI_NONAME || noSuchAddress.contains(code))
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

    static func number(_ family: AddressFamily) -> Int32 { family == .ipv4 ? AF_INET : AF_INET6 }

    static func word(_ family: AddressFamily) -> String { family == .ipv4 ? "IPv4" : "IPv6" }
}
