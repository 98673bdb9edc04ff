// The addresses of this host's interfaces, as the kernel lists them now.

import CLinux
import Glibc
package import Wire

/// What addresses this host has.
package enum LocalAddresses {
    /// Every IPv4 and IPv6 address of every interface, each once, in the kernel's order.
    package static func all() throws(Errno) -> [IPAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        // Sound: getifaddrs fills `list` on success; it is freed below, after the last use.
        try check("getifaddrs") { unsafe getifaddrs(&list) }
        defer { unsafe freeifaddrs(list) }
        var addresses: [IPAddress] = []
        // Sound: the list ends in nil; an entry's address has the length that its family says.
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            guard let address = unsafe entry.pointee.ifa_addr else { continue }
            let length: Int
            switch unsafe Int32(address.pointee.sa_family) {
            case AF_INET: length = MemoryLayout<sockaddr_in>.size
            case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
            default: continue
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
}
