// A CONNACK as it was read: the server's answer to CONNECT.

/// A CONNACK of any version (MQTT 3.1.1, 3.2; MQTT 5.0, 3.2). Plain data: numbers and ranges into the packet.
package struct Connack: Equatable, Sendable, BitwiseCopyable {
    /// What the answer means for a CONNECT that may be sent again to another server.
    package enum Disposition: Int, CaseIterable, Sendable, BitwiseCopyable {
        /// The client is in.
        case accepted
        /// This server cannot take it now, another one may.
        case tryAnother
        /// The client itself was refused: any server would say so, and the answer is the client's.
        case refused

        /// The stable name for counters and logs: `accepted`, `try-another`, `refused`.
        package var name: String { self == .tryAnother ? "try-another" : "\(self)" }
    }

    /// The bytes of the packet with its fixed header.
    package let length: Int
    /// The code byte as it was sent: a return code, or a reason code when the packet is in the form of 5.0.
    package let code: UInt8
    /// What the code says, in the words of 5.0.
    package let reason: ReasonCode
    /// The server had a session for this client; never with a refusal.
    package internal(set) var sessionPresent: Bool
    /// Seconds; overrides the client's keep-alive (MQTT 5.0, 3.2.2.3.14).
    package internal(set) var serverKeepAlive: UInt16?
    /// The identifier the server gave a client that had none (MQTT 5.0, 3.2.2.3.7).
    package internal(set) var assignedClientIdentifier: ByteRange?
    /// Where the client should go instead (MQTT 5.0, 3.2.2.3.16).
    package internal(set) var serverReference: ByteRange?
    package internal(set) var reasonString: ByteRange?
    /// Seconds; overrides what the client asked for (MQTT 5.0, 3.2.2.3.2).
    package internal(set) var sessionExpiry: UInt32?
    package internal(set) var maximumPacketSize: UInt32?
    /// The encoded properties without their length; empty in 3.x.
    package internal(set) var properties = ByteRange(offset: 0, count: 0)

    init(length: Int, code: UInt8, reason: ReasonCode, sessionPresent: Bool) {
        self.length = length
        self.code = code
        self.reason = reason
        self.sessionPresent = sessionPresent && !reason.isFailure
    }

    /// What is to be done with the CONNECT this answers.
    ///
    /// Another server is tried for what says *I cannot now*: unavailable (in 3.x return code 3, which stands for all
    /// of these), busy, quota exceeded, connection rate exceeded, shutting down; and for *go there instead* (use
    /// another server, server moved), since no client follows it by itself while the balancer can. Quota and rate are
    /// limits of the one server that named them. Everything else concerns the client (credentials, identifier,
    /// version, ban, its packet) or is unexplained (0x80, 0x83), and is passed through.
    package var disposition: Disposition {
        switch reason {
        case .serverUnavailable, .serverBusy, .serverShuttingDown, .quotaExceeded, .connectionRateExceeded,
            .useAnotherServer, .serverMoved:
            .tryAnother
        default: reason.isFailure ? .refused : .accepted
        }
    }
}
