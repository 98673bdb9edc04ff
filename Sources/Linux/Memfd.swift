// Memory that has a descriptor: sealed messages between processes, and state that outlives one.

import CLinux
import Glibc
package import Wire

/// Anonymous files in memory.
package enum Memfd {
    /// A memfd of zeroed bytes, growable by nobody, that processes map shared.
    package static func create(name: String, size: Int) throws(Errno) -> FileDescriptor {
        let file = FileDescriptor(
            owning: try check("memfd_create") {
                unsafe memfd_create(name, UInt32(CL_MFD_CLOEXEC | CL_MFD_ALLOW_SEALING))
            })
        try check("ftruncate \(size)") { ftruncate(file.number, size) }
        try check("fcntl F_ADD_SEALS") {
            cl_fcntl(file.number, Int32(CL_F_ADD_SEALS), Int(CL_F_SEAL_SHRINK | CL_F_SEAL_GROW))
        }
        return file
    }

    /// Zeroed bytes that nobody but the processes which map them can see: not the kernel's own mapping, not a debugger,
    /// not swap, not a core (memfd_secret(2), Linux 5.14).
    ///
    /// - Throws: `Errno`; `ENOSYS` when the kernel has none, or was booted without.
    package static func secret(size: Int) throws(Errno) -> FileDescriptor {
        let file = FileDescriptor(owning: try check("memfd_secret") { cl_memfd_secret() })
        try check("ftruncate \(size)") { ftruncate(file.number, size) }
        return file
    }

    /// Whether a descriptor is such a file: it has no seals, as no other memfd of ours.
    package static func isSecret(_ number: Int32) -> Bool { cl_fcntl(number, Int32(CL_F_GET_SEALS), 0) < 0 }

    /// A memfd that holds `bytes` and can never be changed again.
    package static func sealed(name: String, _ bytes: [UInt8]) throws(Errno) -> FileDescriptor {
        let file = FileDescriptor(
            owning: try check("memfd_create") {
                unsafe memfd_create(name, UInt32(CL_MFD_CLOEXEC | CL_MFD_ALLOW_SEALING))
            })
        try Descriptor.writeAll(file.number, bytes)
        try check("lseek") { lseek(file.number, 0, SEEK_SET) }
        try check("fcntl F_ADD_SEALS") {
            cl_fcntl(
                file.number, Int32(CL_F_ADD_SEALS),
                Int(CL_F_SEAL_SHRINK | CL_F_SEAL_GROW | CL_F_SEAL_WRITE | CL_F_SEAL_SEAL))
        }
        return file
    }

    /// The whole contents of a memfd that somebody else made, whatever other readers of it do at the same moment.
    ///
    /// - Throws: `Errno`; `EFBIG` when it holds more than `limit` bytes.
    package static func contents(_ number: Int32, limit: Int) throws(Errno) -> [UInt8] {
        // At offsets of our own: the position of the file is shared by all processes that were handed it.
        let size = try size(number)
        guard size <= limit else { throw Errno(EFBIG, "read \(size) bytes") }
        var bytes = [UInt8](repeating: 0, count: size)
        var done = 0
        while done < size {
            // Sound: the buffer is lent with what is left of it for the duration of the call.
            let count = try check("pread") {
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    unsafe pread(number, buffer.baseAddress?.advanced(by: done), size - done, done)
                }
            }
            guard count > 0 else { return Array(bytes[..<done]) }
            done += count
        }
        return bytes
    }

    /// Whether a descriptor somebody else gave is a memfd that can never change: reading it neither blocks nor surprises.
    package static func isSealed(_ number: Int32) -> Bool {
        let seals = cl_fcntl(number, Int32(CL_F_GET_SEALS), 0)
        let wanted = Int32(CL_F_SEAL_SHRINK | CL_F_SEAL_GROW | CL_F_SEAL_WRITE)
        return seals >= 0 && seals & wanted == wanted
    }

    /// The size of a file in bytes.
    package static func size(_ number: Int32) throws(Errno) -> Int {
        var status = stat()
        // Sound: the structure lives on the stack for the duration of the call.
        try check("fstat") { unsafe fstat(number, &status) }
        return Int(status.st_size)
    }

    /// Maps a whole memfd, readable and writable, shared with whoever else maps it; it stays mapped for good.
    ///
    /// - Parameter alignment: a power of two that the address is a multiple of.
    package static func map(_ number: Int32, alignment: Int) throws(Errno) -> MemoryRegion {
        let size = try size(number)
        // Room in which such an address lies, whatever the kernel chooses; what is not used of it stays reserved, without
        // memory.
        guard size > 0, let room = unsafe mmap(nil, size + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            unsafe room != MAP_FAILED
        else { throw .last("mmap \(size + alignment) bytes") }
        // Sound: the aligned range of `size` bytes lies within the reservation that was just made, which nobody knows of; the
        // mapping put in its place is checked, and never unmapped.
        guard let base = unsafe mmap(
            room.alignedUp(toMultipleOf: alignment), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, number, 0),
            unsafe base != MAP_FAILED
        else { throw .last("mmap \(size) bytes") }
        return unsafe MemoryRegion(base: base, count: size)
    }

    /// The same wherever the kernel likes.
    package static func map(_ number: Int32) throws(Errno) -> MemoryRegion {
        let size = try size(number)
        // Sound: the mapping is checked, has `size` bytes (the file is sealed against shrinking), and is never unmapped.
        guard size > 0, let base = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, number, 0),
            unsafe base != MAP_FAILED
        else { throw .last("mmap \(size) bytes") }
        return unsafe MemoryRegion(base: base, count: size)
    }
}
