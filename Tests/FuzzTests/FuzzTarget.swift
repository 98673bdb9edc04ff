// What is fuzzed: a reader of bytes from elsewhere, and what must be true whatever they are.

/// One parser under attack. To add one: write its target beside the others, put a few honest inputs into
/// `Tests/Corpus/NAME`, and name it in ``all``.
struct FuzzTarget: Sendable, CustomStringConvertible {
    /// The name of its folder below `Tests/Corpus`.
    let name: String
    /// Pieces that matter to this parser, to be put in at any place.
    var words: [[UInt8]] = []
    /// Makes what a mutation has broken whole again (checksums), so that the readers behind it are reached too.
    var repair: @Sendable ([UInt8]) -> [UInt8] = { $0 }
    /// Has the parser read, and demands what must be true.
    ///
    /// - Returns: what it made of the input, in a few words. Inputs with new words are kept and mutated further: that is
    ///   how a fuzzer finds its way in without knowing the code.
    /// - Throws: ``FuzzFinding``.
    let judge: @Sendable ([UInt8]) throws -> String

    /// Whether any client or anybody on the network may send it, before it is known who that is, or the kernel passes it on:
    /// these are fuzzed ten times as long.
    var facesStrangers: Bool {
        [
            "mqtt-connect", "mqtt-boundary", "mqtt-rewrite", "proxy-header", "http-upgrade-request", "websocket-frames",
            "vrrp-advertisement", "vrrp-sealed", "ipv4-packet", "netlink", "tls-take-over",
        ].contains(name)
    }

    var description: String { name }

    static let all =
        [
            .advertisement, .sealedAdvertisement, .netlink, .packetHeader, .announcement,
            .connect, .packet, .boundary, .rewrite, .connack,
            .proxyHeader, .pageRequest, .upgradeRequest, .upgradeResponse, .frames, .records, .recordContent,
            .keyLog, .firstFlight, .takeOver,
            .json, .nameAnswer, .pairLink, .order,
        ] as [FuzzTarget]
}

/// Something that is not true of a parser.
struct FuzzFinding: Error, CustomStringConvertible {
    let description: String
}

/// Demands something of a parser.
func demand(_ condition: Bool, _ description: @autoclosure () -> String) throws {
    if !condition { throw FuzzFinding(description: description()) }
}
