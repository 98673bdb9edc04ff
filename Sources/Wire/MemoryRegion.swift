// The one place in Wire that touches raw memory: fixed bytes given by a shell, always bounds-checked.

/// A fixed range of bytes that somebody else owns: a mapped memfd in the daemon, an allocation in a test.
///
/// Records that must outlive the process are written here as plain data at computed offsets. Every access is checked
/// against the range (a violation is our own mistake and traps); integers are in native byte order and need no
/// alignment. Whoever makes a region promises that the memory stays mapped while any copy of the region is used.
@safe @usableFromInline
package struct MemoryRegion: @unchecked Sendable {
    // Sound: `base` is valid for `count` bytes by the promise of `init`, and every access below checks its range.
    // `@usableFromInline` on type and members lets other modules inline `load` and `store`; without it each is a call
    // through witness tables to memmove.
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline package let count: Int

    /// - Parameter base: stays mapped and writable for `count` bytes as long as any copy of this value is used.
    @unsafe
    package init(base: UnsafeMutableRawPointer, count: Int) {
        unsafe self.base = base
        self.count = count
    }

    /// Zeroed memory of this process that is never given back: for tables that live as long as the process.
    package static func allocate(count: Int) -> MemoryRegion {
        // Sound: the allocation has `count` bytes, is initialised here and is never deallocated.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: count)
        return unsafe MemoryRegion(base: memory, count: count)
    }

    /// The integer at `offset`, in native byte order.
    @inlinable @inline(__always)
    package func load<I: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: I.Type = I.self) -> I {
        precondition(offset >= 0 && offset &+ MemoryLayout<I>.size <= count, "read outside the region")
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: I.self)
    }

    /// Stores an integer at `offset`, in native byte order.
    @inlinable @inline(__always)
    package func store<I: FixedWidthInteger & BitwiseCopyable>(_ value: I, at offset: Int) {
        precondition(offset >= 0 && offset &+ MemoryLayout<I>.size <= count, "write outside the region")
        unsafe base.storeBytes(of: value, toByteOffset: offset, as: I.self)
    }

    /// Copies bytes into the region.
    package func write(_ bytes: Span<UInt8>, at offset: Int) {
        precondition(offset >= 0 && offset &+ bytes.count <= count, "write outside the region")
        unsafe bytes.withUnsafeBufferPointer { source in
            guard let address = source.baseAddress else { return }
            unsafe (base + offset).copyMemory(from: address, byteCount: source.count)
        }
    }

    /// Whether the bytes at `offset` equal `bytes`.
    package func equals(_ bytes: Span<UInt8>, at offset: Int) -> Bool {
        precondition(offset >= 0 && offset &+ bytes.count <= count, "read outside the region")
        // Sound: both sides are checked to have `bytes.count` bytes, and eight are read only where eight are left.
        return unsafe bytes.withUnsafeBytes { other in
            let length = other.count
            var index = 0
            if length < 8 {
                while index < length {
                    if unsafe base.load(fromByteOffset: offset &+ index, as: UInt8.self) != other[index] { return false }
                    index &+= 1
                }
                return true
            }
            while index < length {
                // The last eight may have some of those before them once more.
                let place = min(index, length &- 8)
                let ours = unsafe base.loadUnaligned(fromByteOffset: offset &+ place, as: UInt64.self)
                if unsafe ours != other.loadUnaligned(fromByteOffset: place, as: UInt64.self) { return false }
                index &+= 8
            }
            return true
        }
    }

    /// Appends `length` bytes of the region to an array.
    package func read(_ offset: Int, length: Int, into bytes: inout [UInt8]) {
        precondition(offset >= 0 && length >= 0 && offset &+ length <= count, "read outside the region")
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: base + offset, count: length))
    }

    /// The part of this region that starts at `offset`.
    package func slice(_ offset: Int, count length: Int) -> MemoryRegion {
        precondition(offset >= 0 && length >= 0 && offset &+ length <= count, "slice outside the region")
        return unsafe MemoryRegion(base: base + offset, count: length)
    }
}

extension MemoryRegion {
    /// The first byte's address, for data-plane buffers that hand it to system calls.
    @unsafe
    package var address: UnsafeMutableRawPointer { unsafe base }

    /// The region as `count` values of a plain type, for data-plane records. The memory must be zeroed, or hold values of
    /// that type, and zero bytes must be a value of it.
    @unsafe
    package func bind<Value: BitwiseCopyable>(to type: Value.Type, count: Int) -> UnsafeMutablePointer<Value> {
        precondition(
            count >= 0 && count * MemoryLayout<Value>.stride <= self.count, "more values than the region holds")
        return unsafe base.bindMemory(to: type, capacity: count)
    }
}
