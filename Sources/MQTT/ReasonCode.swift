// Reason codes of MQTT 5.0 and what they are called in 3.x.

/// A reason code of MQTT 5.0 (2.4); any byte, known or not.
///
/// The one vocabulary in which answers are compared: return codes of 3.x are translated on the way in and out.
package struct ReasonCode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Success in CONNACK and PUBACK, normal disconnection in DISCONNECT.
    package static let success = ReasonCode(rawValue: 0x00)
    package static let disconnectWithWill = ReasonCode(rawValue: 0x04)
    package static let unspecifiedError = ReasonCode(rawValue: 0x80)
    package static let malformedPacket = ReasonCode(rawValue: 0x81)
    package static let protocolError = ReasonCode(rawValue: 0x82)
    package static let unsupportedProtocolVersion = ReasonCode(rawValue: 0x84)
    package static let clientIdentifierNotValid = ReasonCode(rawValue: 0x85)
    package static let badUserNameOrPassword = ReasonCode(rawValue: 0x86)
    package static let notAuthorized = ReasonCode(rawValue: 0x87)
    package static let serverUnavailable = ReasonCode(rawValue: 0x88)
    package static let serverBusy = ReasonCode(rawValue: 0x89)
    package static let banned = ReasonCode(rawValue: 0x8A)
    package static let serverShuttingDown = ReasonCode(rawValue: 0x8B)
    package static let badAuthenticationMethod = ReasonCode(rawValue: 0x8C)
    package static let keepAliveTimeout = ReasonCode(rawValue: 0x8D)
    package static let sessionTakenOver = ReasonCode(rawValue: 0x8E)
    package static let topicNameInvalid = ReasonCode(rawValue: 0x90)
    package static let packetTooLarge = ReasonCode(rawValue: 0x95)
    package static let quotaExceeded = ReasonCode(rawValue: 0x97)
    package static let administrativeAction = ReasonCode(rawValue: 0x98)
    package static let useAnotherServer = ReasonCode(rawValue: 0x9C)
    package static let serverMoved = ReasonCode(rawValue: 0x9D)
    package static let connectionRateExceeded = ReasonCode(rawValue: 0x9F)
    package static let maximumConnectTime = ReasonCode(rawValue: 0xA0)

    /// Codes from 0x80 are failures (MQTT 5.0, 2.4).
    package var isFailure: Bool { rawValue >= 0x80 }

    /// The CONNACK return code of 3.x that says the same, 0 to 5 (MQTT 3.1.1, table 3.1).
    ///
    /// The same translation as EMQX makes, so that a client hears the same from the balancer and from its broker.
    package var returnCode: UInt8 {
        switch rawValue {
        case 0x00..<0x80: 0
        case 0x80...0x84: 1
        case 0x85: 2
        case 0x86: 4
        case 0x87, 0x8A, 0x8C: 5
        default: 3
        }
    }

    /// The reason code that says what a 3.x return code says; nil for codes 3.x does not define.
    package init?(returnCode: UInt8) {
        switch returnCode {
        case 0: self = .success
        case 1: self = .unsupportedProtocolVersion
        case 2: self = .clientIdentifierNotValid
        case 3: self = .serverUnavailable
        case 4: self = .badUserNameOrPassword
        case 5: self = .notAuthorized
        default: return nil
        }
    }

    /// The stable name for logs and counters: `server-busy`; `reason-0xAB` for codes without one here.
    package var name: String {
        switch self {
        case .success: "success"
        case .disconnectWithWill: "disconnect-with-will"
        case .unspecifiedError: "unspecified-error"
        case .malformedPacket: "malformed-packet"
        case .protocolError: "protocol-error"
        case .unsupportedProtocolVersion: "unsupported-protocol-version"
        case .clientIdentifierNotValid: "client-identifier-not-valid"
        case .badUserNameOrPassword: "bad-user-name-or-password"
        case .notAuthorized: "not-authorized"
        case .serverUnavailable: "server-unavailable"
        case .serverBusy: "server-busy"
        case .banned: "banned"
        case .serverShuttingDown: "server-shutting-down"
        case .badAuthenticationMethod: "bad-authentication-method"
        case .keepAliveTimeout: "keep-alive-timeout"
        case .sessionTakenOver: "session-taken-over"
        case .topicNameInvalid: "topic-name-invalid"
        case .packetTooLarge: "packet-too-large"
        case .quotaExceeded: "quota-exceeded"
        case .administrativeAction: "administrative-action"
        case .useAnotherServer: "use-another-server"
        case .serverMoved: "server-moved"
        case .connectionRateExceeded: "connection-rate-exceeded"
        case .maximumConnectTime: "maximum-connect-time"
        default: "reason-0x" + (rawValue < 16 ? "0" : "") + String(rawValue, radix: 16, uppercase: true)
        }
    }
}
