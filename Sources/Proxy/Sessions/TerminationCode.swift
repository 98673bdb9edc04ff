// How a session ended, in the two letters HAProxy's users know.

/// The termination state of HAProxy's tcplog: who or what ended the session, and how far it had come.
///
/// First letter: `C` the client, `S` the server, `c` and `s` silence of one of them, `P` refused by us, `K` closed by the
/// operator, `D` its server is drained or down, `I` an error of our own, `-` nothing special.
/// Second letter: `R` no CONNECT yet or not let in, `T` held back, `C` connecting, `H` no CONNACK yet, `D` relaying,
/// `L` one side had ended its stream, `-` nothing special.
struct TerminationCode: Equatable {
    let text: String

    init(_ cause: EndCause, _ slot: Slot) {
        if cause == .clientClosed, slot.phase == .relaying {
            text = "--"
        } else if cause == .halfClosed {
            text = slot.firstToEnd == 1 ? "sL" : "cL"
        } else {
            text = Self.who(cause) + Self.stage(slot)
        }
    }

    private static func who(_ cause: EndCause) -> String {
        switch cause {
        case .clientClosed, .clientReset, .abandoned, .clientTLS: "C"
        case .serverClosed, .serverReset, .noServer, .serverTLS: "S"
        case .authenticationDeadline: "s"
        case .idle, .connectDeadline, .proxyDeadline, .handshakeDeadline, .firstByteDeadline, .halfClosed: "c"
        case .refused, .limit, .denied, .proxyRefused, .identityRefused, .frameViolation, .upgradeRefused, .poison, .keysSpent: "P"
        case .drained: "D"
        case .steppedDown, .shutdown: "K"
        case .failure, .unkept: "I"
        }
    }

    private static func stage(_ slot: Slot) -> String {
        switch slot.phase {
        case .free, .securing, .upgrading, .preamble: "R"
        case .held: "T"
        case .connecting, .opening: "C"
        case .awaiting: "H"
        case .relaying where slot.awaitsConnack: "H"
        case .relaying, .orphaned: "D"
        case .lingering: slot.triedAfter == Slot.never ? "R" : slot.connectedAfter == Slot.never ? "C" : "H"
        }
    }
}
