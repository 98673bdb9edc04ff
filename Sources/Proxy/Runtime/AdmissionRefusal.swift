// Why a client was not let in, how it is told, and where it is counted.

import Balancing
import MQTT

/// A limit or rule that refused a client; the raw value stands in the session's slot while its CONNECT is awaited.
enum AdmissionRefusal: UInt8, CaseIterable {
    case denied = 1
    case listenerConnections, sourceConnections, sourceRate, connectRate, clientRate
    /// It reconnects too often, and too many such clients wait already.
    case flapping
    /// Balancers died of clients with this ID.
    case poison

    init(_ limit: Admission.Limit) {
        switch limit {
        case .sourceConnections: self = .sourceConnections
        case .sourceRate: self = .sourceRate
        case .connectRate: self = .connectRate
        case .clientRate: self = .clientRate
        }
    }

    /// What the client is told; 3.x has return code 5 for *banned* and 3 for all others (MQTT 5.0, 3.2.2.2).
    var reasonCode: ReasonCode {
        switch self {
        case .denied, .poison: .banned
        case .listenerConnections: .serverBusy
        case .sourceConnections: .quotaExceeded
        case .sourceRate, .connectRate, .clientRate, .flapping: .connectionRateExceeded
        }
    }

    var counter: ProxyCounter {
        switch self {
        case .denied: .accessDenied
        case .listenerConnections: .limitListener
        case .sourceConnections: .limitSourceConnections
        case .sourceRate: .limitSourceRate
        case .connectRate: .limitConnectRate
        case .clientRate: .limitClientRate
        case .flapping: .limitHeld
        case .poison: .poisonRefused
        }
    }

    var cause: EndCause {
        switch self {
        case .denied: .denied
        case .poison: .poison
        default: .limit
        }
    }
}
