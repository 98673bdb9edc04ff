// Between `SocketAddress` and the kernel's `sockaddr`.

package import CLinux
import Glibc
package import Wire

extension SocketAddress {
    /// The kernel's form of the address, and its length in bytes.
    ///
    /// `UInt32` is `socklen_t`, which belongs to one module of C or another as they are built.
    package var storage: (sockaddr_storage, UInt32) {
        var storage = sockaddr_storage()
        // Sound: sockaddr_storage is large enough and aligned for both families.
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            switch address {
            case .v4(let v4):
                var inner = sockaddr_in()
                inner.sin_family = sa_family_t(AF_INET)
                inner.sin_port = port.bigEndian
                inner.sin_addr = in_addr(s_addr: v4.value.bigEndian)
                unsafe UnsafeMutableRawPointer(pointer).storeBytes(of: inner, as: sockaddr_in.self)
                return unsafe (pointer.pointee, socklen_t(MemoryLayout<sockaddr_in>.size))
            case .v6(let v6):
                var inner = sockaddr_in6()
                inner.sin6_family = sa_family_t(AF_INET6)
                inner.sin6_port = port.bigEndian
                inner.sin6_scope_id = scope
                unsafe withUnsafeMutableBytes(of: &inner.sin6_addr) { octets in
                    unsafe octets.storeBytes(of: v6.high.bigEndian, toByteOffset: 0, as: UInt64.self)
                    unsafe octets.storeBytes(of: v6.low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
                unsafe UnsafeMutableRawPointer(pointer).storeBytes(of: inner, as: sockaddr_in6.self)
                return unsafe (pointer.pointee, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }

    /// From the kernel's form; `nil` for other families. IPv4 addresses mapped into IPv6 come out as IPv4.
    package init?(_ storage: sockaddr_storage) {
        var copy = storage
        // Sound: the family says which structure the storage holds; all of them fit.
        let parsed: SocketAddress? = unsafe withUnsafeBytes(of: &copy) { bytes in
            switch Int32(storage.ss_family) {
            case AF_INET:
                let inner = unsafe bytes.loadUnaligned(as: sockaddr_in.self)
                return SocketAddress(
                    .v4(IPv4Address(UInt32(bigEndian: inner.sin_addr.s_addr))), port: UInt16(bigEndian: inner.sin_port))
            case AF_INET6:
                var inner = unsafe bytes.loadUnaligned(as: sockaddr_in6.self)
                let (high, low) = unsafe withUnsafeBytes(of: &inner.sin6_addr) { octets in
                    unsafe (
                        UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                        UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                    )
                }
                let port = UInt16(bigEndian: inner.sin6_port)
                if high == 0, low >> 32 == 0xFFFF {
                    return SocketAddress(.v4(IPv4Address(UInt32(truncatingIfNeeded: low))), port: port)
                }
                return SocketAddress(
                    .v6(IPv6Address(high: high, low: low)), port: port, scope: inner.sin6_scope_id)
            default:
                return nil
            }
        }
        guard let parsed else { return nil }
        self = parsed
    }
}
