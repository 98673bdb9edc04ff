// Where bytes are while they are transformed: between the input's chunk and the output's.

import MQTT
import TLS
import WebSocket
import Wire

/// The working memory of a loop's transformations: nothing in it outlives a step.
///
/// A step's MQTT bytes begin at ``payload`` or behind, so that the header of a frame has room before them.
struct EdgeScratch {
    /// Where a step's bytes are put first.
    static let payload = FrameHeader.longest

    /// The bytes.
    private var bytes: [UInt8]

    /// - Parameter size: of a chunk, in bytes: no step takes or makes more.
    init(size: Int) { bytes = Array(repeating: 0, count: size + Self.payload) }

    /// Copies a range of a chunk to a place of the scratch.
    mutating func copy(_ chunk: UInt32, _ range: Range<Int>, of chunks: borrowing ChunkPool, to start: Int) {
        var span = bytes.mutableSpan
        chunks.read(chunk, range, into: &span, at: start)
    }

    /// Copies a range of the scratch into a chunk.
    func copy(_ range: Range<Int>, into chunk: UInt32, of chunks: borrowing ChunkPool, at offset: Int) {
        chunks.write(bytes.span.extracting(range), into: chunk, at: offset)
    }

    /// Follows the packets in a range of the scratch, which stands at `offset` of its stream.
    func follow(
        _ range: Range<Int>, at offset: UInt64, _ boundary: inout PacketBoundary, stopping stops: PacketBoundary.Stops
    ) {
        boundary.follow(bytes.span.extracting(range), at: offset, stopping: stops)
    }

    /// How many bytes of a range there are up to the first end of a packet; `nil`: none ends in it.
    func firstEnd(_ range: Range<Int>, at offset: UInt64, _ boundary: PacketBoundary) -> Int? {
        boundary.firstEnd(in: bytes.span.extracting(range), at: offset)
    }

    /// Encrypts a range of the scratch; the ciphertext waits in the session.
    func encrypt(_ range: Range<Int>, _ session: TLSSession) throws(TLSError) {
        try session.write(bytes.span.extracting(range))
    }

    /// Decrypts at most one record to a place of the scratch, and not beyond `limit`; how many bytes came.
    mutating func decrypt(_ session: TLSSession, to start: Int, limit: Int) throws(TLSError) -> Int {
        var span = bytes.mutableSpan
        return try session.readPlaintext(into: &span, at: start, limit: limit - start)
    }

    /// Lends a range, to be sealed into an output.
    func withBytes<Result, Failure: Error>(
        _ range: Range<Int>, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes.span.extracting(range))
    }

    /// Lends everything, for records to be opened into.
    mutating func withMutableBytes<Result, Failure: Error>(
        _ body: (inout MutableSpan<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = bytes.mutableSpan
        return try body(&span)
    }

    /// Takes frames apart where they lie, and puts what is inside together.
    ///
    /// - Parameters:
    ///   - range: the frames' bytes, as they come in the stream.
    ///   - progress: where the stream stands; its control frames and ending are advanced.
    ///   - frames: the state of the source's frames; advanced, in the half that is not in force.
    /// - Returns: where the MQTT bytes lie now, inside `range`; empty when there are none.
    mutating func unframe(
        _ range: Range<Int>, _ progress: inout EdgeProgress, _ frames: inout EdgeFrames
    ) -> Range<Int> {
        guard !range.isEmpty else { return range }
        var half = frames.current(progress)
        var start = range.lowerBound
        var end = start
        precondition(range.upperBound <= bytes.count)
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            // Sound: the range lies inside the bytes. The reader takes all there is: what lies behind must not be seen.
            var span = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<range.upperBound]).mutableSpan
            Self.unframe(&span, range.lowerBound, &progress, &half, &start, &end)
        }
        frames.advance(half, &progress)
        return start..<end
    }

    /// Takes frames apart from an offset to the end of a span.
    private static func unframe(
        _ span: inout MutableSpan<UInt8>, _ first: Int, _ progress: inout EdgeProgress, _ half: inout EdgeFrames.Half,
        _ start: inout Int, _ end: inout Int
    ) {
        var offset = first
        while offset < span.count {
            guard case .open = progress.ending else { break }
            do throws(FrameViolation) {
                let step = try half.reader.next(&span, from: offset)
                offset = step.end
                switch step.event {
                case .needMore, .pong: break
                case .data(let found):
                    if start == end {
                        (start, end) = (found.lowerBound, found.upperBound)
                    } else {
                        move(&span, found, to: end)
                        end += found.count
                    }
                case .ping(let control):
                    half.control = control
                    progress.controls &+= 1
                case .close(let control):
                    half.control = control
                    progress.controls &+= 1
                    progress.ending = .closed
                }
            } catch {
                progress.ending = .violated(error)
            }
        }
    }

    /// Puts a header before MQTT bytes, and masks them for a server.
    ///
    /// - Returns: the frame; it begins up to ``payload`` bytes before `range`.
    mutating func frame(_ range: Range<Int>, mask: UInt32?) -> Range<Int> {
        let header = FrameHeader(.binary, length: range.count, mask: mask)
        var span = bytes.mutableSpan
        header.write(into: &span, before: range.lowerBound)
        if let mask {
            var laid = FrameMask(key: mask)
            laid.apply(to: &span, range)
        }
        return range.lowerBound - header.count..<range.upperBound
    }

    /// Puts bytes of ours at the place of a step's bytes; at most ``room``.
    mutating func put(_ source: [UInt8]) -> Range<Int> {
        precondition(source.count <= bytes.count - Self.payload)
        for (place, byte) in source.enumerated() { bytes[Self.payload + place] = byte }
        return Self.payload..<Self.payload + source.count
    }

    /// Moves bytes to a place before them.
    private static func move(_ span: inout MutableSpan<UInt8>, _ range: Range<Int>, to start: Int) {
        precondition(start <= range.lowerBound && range.upperBound <= span.count)
        unsafe span.withUnsafeMutableBufferPointer { buffer in
            // Sound: both ranges lie inside the span, and the copy allows them to overlap.
            guard let base = buffer.baseAddress else { return }
            unsafe (base + start).update(from: base + range.lowerBound, count: range.count)
        }
    }
}
