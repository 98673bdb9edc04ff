// What a generator is asked to do.

import Wire

/// What is measured.
package enum LoadScenario: String, CaseIterable, Sendable {
    case connect, hold, ping, publish, storm

    /// In half a sentence.
    package var meaning: String {
        switch self {
        case .connect: "connect, CONNECT, CONNACK, close, again and again"
        case .hold: "sessions that are silent but for their keep-alive: what they weigh, which are lost"
        case .ping: "a question and its answer, again and again, in each active session"
        case .publish: "QoS 0 messages as fast as they are taken"
        case .storm: "all sessions end at one moment and come back at once"
        }
    }
}

/// The question of a `ping`.
package enum LoadQuestion: String, CaseIterable, Sendable {
    /// PINGREQ, which PINGRESP answers.
    case pingreq
    /// PUBLISH with QoS 1, which PUBACK answers.
    case qos1
    /// PUBLISH with QoS 0, which the test broker sends back to a session that has subscribed.
    case echo
}

/// What a generator does.
package struct LoadSettings: Sendable {
    /// Most sessions of one generator: sources and ports last for so many.
    package static let maximumConnections = 200_000
    /// Most threads.
    package static let maximumLoops = 64

    package var scenario: LoadScenario
    package var url: BenchURL
    /// Sessions; with `connect`, how many are under way at one time.
    package var connections = 10
    /// Sessions of `ping` and `publish` that do anything; the others are silent.
    package var active: Int?
    /// How long is measured.
    package var duration = Duration.seconds(5)
    /// How long the load runs before.
    package var warmUp = Duration.milliseconds(500)
    /// How long all sessions together may take to come up.
    package var patience = Duration.seconds(60)
    /// Bytes of a payload.
    package var payload = 64
    package var question = LoadQuestion.pingreq
    /// Connections begun and not yet up, all loops together; `nil`: 256, and no bound in a `storm`.
    package var underWay: Int?
    /// Source addresses 127.0.0.1 and following, when the target is one of 127.0.0.0/8; 0: the kernel's choice.
    package var sources = 0
    package var loops = 1
    /// Seconds between two PINGREQs of a session that has nothing else to say; 0: none.
    package var keepAlive: UInt16 = 60
    package var tlsVersion = BenchTLSVersion.tls13
    /// Whether TLS sessions resume the first one.
    package var resumes = false
    /// Begins the client identifiers, which a number ends.
    package var clientPrefix = "bench"
    /// Processes whose processor time and memory are told, the proxy's for instance.
    package var watched: [Int32] = []

    package init(_ scenario: LoadScenario, _ url: BenchURL) {
        self.scenario = scenario
        self.url = url
    }

    /// Sessions that do something.
    var activeCount: Int { min(active ?? connections, connections) }

    /// The source of a connection; `nil`: the kernel's choice.
    func source(_ number: Int) -> IPAddress? {
        guard sources > 0 else { return nil }
        return .v4(IPv4Address(127 << 24 | UInt32(1 + number % sources)))
    }
}
