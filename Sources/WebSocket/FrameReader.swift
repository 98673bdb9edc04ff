// Reads WebSocket frames as they come, handing on the bytes inside without keeping them.

/// What a reader expects of the peer.
package struct FramePolicy: Hashable, Sendable, BitwiseCopyable {
    /// MQTT's largest packet and its fixed header: a frame need not be longer.
    package static let largestFrame = 268_435_455 + 5

    /// The peer is a client: its frames are masked, a server's are not.
    package let isPeerClient: Bool
    /// Longest payload of a frame, in bytes. It costs no memory: payloads pass through.
    package let maximumFrame: Int

    package init(isPeerClient: Bool, maximumFrame: Int = largestFrame) {
        precondition(maximumFrame >= 125)
        self.isPeerClient = isPeerClient
        self.maximumFrame = maximumFrame
    }
}

/// Takes frames apart, one step at a time. Plain data, so that it can live in a session's slot.
///
/// For a relay: payloads are unmasked where they lie and told as ranges of the caller's bytes; MQTT packets are not
/// aligned with frames, so neither frames nor messages are put together. Control frames come whole, also between the
/// fragments of a message. The caller feeds each byte once:
///
/// ```swift
/// var offset = 0
/// while offset < bytes.count {
///     let step = try reader.next(&bytes, from: offset)
///     offset = step.end
///     switch step.event { … }
/// }
/// ```
package struct FrameReader: Sendable, BitwiseCopyable {
    /// What a step found.
    package enum Event: Sendable {
        /// Nothing yet: the bytes end inside a header or a control frame.
        case needMore
        /// Bytes of the application, unmasked in place.
        case data(Range<Int>)
        /// To be answered with ``Frame/answer(to:mask:)``.
        case ping(ControlFrame)
        /// Unasked for, or an answer; nothing to do.
        case pong
        /// The peer closes: answer, send nothing more, and close. What it sends from here on is passed over.
        case close(ControlFrame)
    }

    /// An event, and where the next step begins: always beyond where this one began.
    package struct Step: Sendable {
        package let event: Event
        package let end: Int
    }

    private enum State: BitwiseCopyable {
        /// Between frames, or inside a header.
        case header
        /// Bytes of a data frame's payload that have not come.
        case data(left: Int)
        /// The same for a control frame.
        case control(ControlFrame, left: Int)
        case closed
    }

    package let policy: FramePolicy
    private var state = State.header
    /// The header so far.
    private var header = InlineArray<14, UInt8>(repeating: 0)
    private var headerCount = 0
    private var mask = FrameMask(key: 0)
    /// A message was begun and its last fragment has not come.
    private var isWithinMessage = false
    /// Pings, pongs and closes so far.
    package private(set) var controlFrames: UInt64 = 0

    package init(policy: FramePolicy) { self.policy = policy }

    /// Whether the stream may end here without cutting a frame or message short.
    package var isBetweenMessages: Bool {
        guard case .header = state else { return false }
        return headerCount == 0 && !isWithinMessage
    }

    /// Takes one step.
    ///
    /// - Parameter offset: Where the bytes not yet taken begin; below `bytes.count`.
    /// - Throws: The rule broken; the reader is of no use from then on.
    package mutating func next(_ bytes: inout MutableSpan<UInt8>, from offset: Int) throws(FrameViolation) -> Step {
        precondition(offset >= 0 && offset < bytes.count, "a step needs a byte")
        var offset = offset
        while offset < bytes.count {
            switch state {
            case .closed:
                return Step(event: .needMore, end: bytes.count)
            case .header:
                header[headerCount] = bytes[offset]
                headerCount += 1
                offset += 1
                guard try checkHeader() else { continue }
                if let event = try beginPayload() { return Step(event: event, end: offset) }
            case .data(let left):
                let range = offset..<min(bytes.count, left > bytes.count - offset ? bytes.count : offset + left)
                if policy.isPeerClient { mask.apply(to: &bytes, range) }
                state = left == range.count ? .header : .data(left: left - range.count)
                return Step(event: .data(range), end: range.upperBound)
            case .control(var frame, let left):
                frame.append(policy.isPeerClient ? mask.apply(to: bytes[offset]) : bytes[offset])
                offset += 1
                if left == 1 { return Step(event: try finish(frame), end: offset) }
                state = .control(frame, left: left - 1)
            }
        }
        return Step(event: .needMore, end: offset)
    }

    // MARK: Headers

    /// Judges the header by what has come of it (RFC 6455, 5.2); true: it is whole.
    private func checkHeader() throws(FrameViolation) -> Bool {
        if headerCount == 1 { try checkFirstByte() }
        guard headerCount >= 2 else { return false }
        if headerCount == 2 {
            let isMasked = header[1] & 0x80 != 0
            if policy.isPeerClient, !isMasked { throw .notMasked }
            if !policy.isPeerClient, isMasked { throw .masked }
            if header[0] & 0x08 != 0, header[1] & 0x7F > 125 { throw .controlTooLong }
        }
        if headerCount == 2 + lengthBytes { try checkLength() }
        return headerCount == 2 + lengthBytes + (policy.isPeerClient ? 4 : 0)
    }

    private func checkFirstByte() throws(FrameViolation) {
        let isFinal = header[0] & 0x80 != 0
        if header[0] & 0x70 != 0 { throw .reservedBits }
        if header[0] & 0x0F == 1 { throw .textFrame }
        guard let opcode = Opcode(rawValue: header[0] & 0x0F) else { throw .opcode }
        switch opcode {
        case .continuation: if !isWithinMessage { throw .continuationWithoutStart }
        case .binary: if isWithinMessage { throw .startWithinMessage }
        case .close, .ping, .pong: if !isFinal { throw .controlFragmented }
        }
    }

    /// Bytes of the extended length.
    private var lengthBytes: Int {
        switch header[1] & 0x7F {
        case 126: 2
        case 127: 8
        default: 0
        }
    }

    /// The payload's length; its bytes have all come.
    private var length: UInt64 {
        guard lengthBytes > 0 else { return UInt64(header[1] & 0x7F) }
        return (2..<(2 + lengthBytes)).reduce(0) { $0 << 8 | UInt64(header[$1]) }
    }

    private func checkLength() throws(FrameViolation) {
        switch lengthBytes {
        case 2: if length <= 125 { throw .lengthNotMinimal }
        case 8:
            if length >> 63 != 0 { throw .lengthTooLarge }
            if length <= 0xFFFF { throw .lengthNotMinimal }
        default: break
        }
        if length > UInt64(policy.maximumFrame) { throw .frameTooLarge }
    }

    // MARK: Payloads

    /// The header is whole: what it alone already tells.
    private mutating func beginPayload() throws(FrameViolation) -> Event? {
        let left = Int(length)
        if policy.isPeerClient {
            mask = FrameMask(key: ((headerCount - 4)..<headerCount).reduce(0) { $0 << 8 | UInt32(header[$1]) })
        }
        headerCount = 0
        let opcode = Opcode(rawValue: header[0] & 0x0F) ?? .binary
        guard opcode.isControl else {
            isWithinMessage = header[0] & 0x80 == 0
            state = left == 0 ? .header : .data(left: left)
            return nil
        }
        let frame = ControlFrame(opcode)
        if left == 0 { return try finish(frame) }
        state = .control(frame, left: left)
        return nil
    }

    private mutating func finish(_ frame: ControlFrame) throws(FrameViolation) -> Event {
        state = .header
        controlFrames += 1
        switch frame.opcode {
        case .ping: return .ping(frame)
        case .close:
            if let violation = frame.closeViolation { throw violation }
            state = .closed
            return .close(frame)
        default: return .pong
        }
    }
}
