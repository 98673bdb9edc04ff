// The buffers of one loop: chunks in a mapped memfd, attached to a direction only while bytes are in flight.

import CLinux
import Glibc
import Linux
import Wire

/// A chunk that is used, and where it is.
@safe
struct HotChunk {
    let number: UInt32
    // Sound: the first of the pool's `size` bytes of this chunk, in a mapping that is never unmapped.
    let address: UnsafeMutableRawPointer
}

/// Chunks of equal size, last freed first reused, so that the busy ones stay in the processor's cache.
///
/// Memory is touched only when used. Beyond ``hotLimit`` free chunks, a freed chunk's memory goes back to the kernel:
/// after a reconnect storm an idle session weighs as little as before. Chunks that keep their memory are given out
/// first, so that a message never pays for the storm before it.
@safe
struct ChunkPool: ~Copyable {
    /// Free chunks that keep their memory.
    static let hotLimit = 64
    /// Most chunks of a pool.
    static let maximumCount = 65_536

    // Sound: `base` points at `count` chunks of `size` bytes in a mapping that is never unmapped; every access checks
    // the chunk's number and the range inside it. Only the loop that owns the pool touches it.
    private let base: UnsafeMutableRawPointer
    /// Bytes of a chunk.
    let size: Int
    let count: Int
    /// Free chunks: those that keep their memory, at most ``hotLimit``, and behind them those that gave it back. What has
    /// never been free has never been written here either.
    private let free: UnsafeMutablePointer<UInt32>
    /// What changes; allocated with the pool and freed with it, as the list is. See ``SlotArena``.
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var hot = 0
        var cold = 0
        var untouched: UInt32 = 1
    }

    /// - Parameter region: its memory, `count` × `size` bytes.
    init(count: Int, size: Int, region: MemoryRegion) {
        precondition(size % 4096 == 0 && size > 0 && count > 0 && region.count >= count * size)
        unsafe base = region.address
        self.size = size
        self.count = count
        unsafe free = .allocate(capacity: Self.hotLimit + count)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
    }

    // Sound: made by `init`, used by this value alone.
    deinit {
        unsafe free.deallocate()
        unsafe state.deallocate()
    }

    /// Finds the free chunks again: all but these.
    func rebuild(inUse: Set<UInt32>) {
        unsafe state.pointee = State(untouched: (inUse.max() ?? 0) + 1)
        for chunk in stride(from: unsafe state.pointee.untouched, to: 1, by: -1).map({ $0 - 1 }) where !inUse.contains(chunk) {
            pushCold(chunk)
        }
    }

    /// Chunks in use.
    var used: Int { unsafe Int(state.pointee.untouched) - 1 - state.pointee.hot - state.pointee.cold }

    /// A chunk's number, counted from 1; `nil` when all are in use.
    @inline(__always)
    func allocate() -> UInt32? {
        // Sound: `hot` entries at the list's beginning were written by `release`.
        if unsafe state.pointee.hot > 0 {
            unsafe state.pointee.hot -= 1
            return unsafe free[state.pointee.hot]
        }
        return allocateCold()
    }

    private func allocateCold() -> UInt32? {
        // Sound: `cold` entries behind the hot ones' room were written by `pushCold`.
        if unsafe state.pointee.cold > 0 {
            unsafe state.pointee.cold -= 1
            return unsafe free[Self.hotLimit + state.pointee.cold]
        }
        guard unsafe Int(state.pointee.untouched) <= count else { return nil }
        defer { unsafe state.pointee.untouched += 1 }
        return unsafe state.pointee.untouched
    }

    private func pushCold(_ chunk: UInt32) {
        precondition(unsafe state.pointee.cold < count, "a chunk was released twice")
        // Sound: the list has room for every chunk behind the hot ones.
        unsafe free[Self.hotLimit + state.pointee.cold] = chunk
        unsafe state.pointee.cold += 1
    }

    /// A chunk for a client that has not been let in yet: never one of the last quarter, so that those who only begin
    /// a CONNECT cannot take the relays' buffers away.
    func allocateForStranger() -> UInt32? { used < count - count / 4 ? allocate() : nil }

    @inline(__always)
    func release(_ chunk: UInt32) {
        guard unsafe state.pointee.hot < Self.hotLimit else { return cool(chunk) }
        // Sound: the list's beginning has room for `hotLimit` chunks.
        unsafe free[state.pointee.hot] = chunk
        unsafe state.pointee.hot += 1
    }

    /// The chunk that is given out next, for the shortest way: it is used at once and stays free, or is taken after all
    /// (``takeHot(_:)``) before the pool is asked for anything else. `nil` when none is free that kept its memory.
    @inline(__always)
    func nextHot() -> HotChunk? {
        let hot = unsafe state.pointee.hot
        guard hot > 0 else { return nil }
        // Sound: `hot` entries at the list's beginning were written by `release`, which took numbers of this pool alone.
        let number = unsafe free[hot - 1]
        return unsafe HotChunk(number: number, address: address(number))
    }

    /// Takes the chunk of ``nextHot()``: something of a message stays in it.
    func takeHot(_ chunk: HotChunk) {
        // Sound: as above.
        precondition(unsafe state.pointee.hot > 0 && free[state.pointee.hot - 1] == chunk.number, "another chunk was taken meanwhile")
        unsafe state.pointee.hot -= 1
    }

    @inline(never)
    private func cool(_ chunk: UInt32) {
        // Sound: the whole chunk is free; its pages read as zero when it is used again.
        _ = unsafe madvise(address(chunk), size, Int32(MADV_REMOVE))
        pushCold(chunk)
    }

    @inline(__always)
    private func address(_ chunk: UInt32) -> UnsafeMutableRawPointer {
        precondition(chunk >= 1 && Int(chunk) <= count)
        // What `count` × `size` bytes are was checked at the beginning.
        return unsafe base + (Int(chunk) &- 1) &* size
    }

    /// Receives into a chunk, from `offset` to its end, at most `most` bytes.
    @inline(__always)
    func receive(_ socket: Int32, into chunk: UInt32, at offset: Int, most: Int = .max) -> Transfer {
        precondition(offset >= 0 && offset < size && most > 0)
        while true {
            // Sound: the range lies inside the chunk.
            let result = unsafe cl_receive(socket, address(chunk) + offset, UInt64(min(size - offset, most)))
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(Int32(-result)) }
        }
    }

    /// Sends a part of a chunk.
    @inline(__always)
    ///
    /// - Parameter isLast: More, or the end of the stream, follows at once, so the kernel may wait for it (`MSG_MORE`, at most 200 ms).
    func send(_ socket: Int32, from chunk: UInt32, _ start: Int, _ end: Int, isLast: Bool = false) -> Transfer {
        precondition(start >= 0 && start < end && end <= size)
        while true {
            // Sound: the range lies inside the chunk.
            let result =
                unsafe isLast
                ? cl_give_last(socket, address(chunk) + start, UInt64(end - start))
                : cl_give(socket, address(chunk) + start, UInt64(end - start))
            if result >= 0 { return .moved(Int(result)) }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(Int32(-result)) }
        }
    }

    /// Moves what stands behind the first `count` of `held` bytes to a chunk's beginning.
    func removeFirst(_ count: Int, of chunk: UInt32, held: Int) {
        precondition(count >= 0 && count <= held && held <= size)
        // Sound: both ranges lie inside the chunk; memmove takes overlapping ones.
        unsafe memmove(address(chunk), address(chunk) + count, held - count)
    }

    /// Lends a range of a chunk, for writing too.
    func withMutableBytes<Result: ~Copyable, Failure: Error>(
        of chunk: UInt32, _ range: Range<Int>, _ body: (inout MutableSpan<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(range.lowerBound >= 0 && range.upperBound <= size)
        // Sound: the range lies inside the chunk, and only the borrower touches it while it is lent.
        let bytes = unsafe UnsafeMutableBufferPointer(
            start: (address(chunk) + range.lowerBound).assumingMemoryBound(to: UInt8.self), count: range.count)
        var span = unsafe bytes.mutableSpan
        return try body(&span)
    }

    /// Copies bytes into a chunk.
    func write(_ bytes: Span<UInt8>, into chunk: UInt32, at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= size)
        unsafe bytes.withUnsafeBufferPointer { source in
            // Sound: the range lies inside the chunk, and the source is no part of a chunk that is being lent.
            guard let base = source.baseAddress else { return }
            unsafe (address(chunk) + offset).copyMemory(from: base, byteCount: source.count)
        }
    }

    /// Copies a range of a chunk to the place `offset` of a span.
    func read(_ chunk: UInt32, _ range: Range<Int>, into span: inout MutableSpan<UInt8>, at offset: Int) {
        precondition(range.lowerBound >= 0 && range.upperBound <= size)
        precondition(offset >= 0 && offset + range.count <= span.count)
        unsafe span.withUnsafeMutableBufferPointer { target in
            // Sound: both ranges were checked; the span is no part of the chunk, which is lent to nobody.
            guard let base = target.baseAddress else { return }
            unsafe UnsafeMutableRawPointer(base + offset).copyMemory(
                from: address(chunk) + range.lowerBound, byteCount: range.count)
        }
    }

    /// Lends the first `length` bytes of a chunk.
    func withBytes<Result: ~Copyable, Failure: Error>(
        of chunk: UInt32, length: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(length >= 0 && length <= size)
        // Sound: the range lies inside the chunk, and nobody writes to it while it is lent.
        let bytes = unsafe UnsafeBufferPointer(
            start: address(chunk).assumingMemoryBound(to: UInt8.self), count: length)
        return try body(unsafe bytes.span)
    }
}
