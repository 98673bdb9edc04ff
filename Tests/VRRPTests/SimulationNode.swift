// One node of the simulation: a router, a kernel that may be slow or refuse, and a shell that may be stopped.

import VRRP
import Wire

/// A whole node on virtual time.
struct SimulationNode {
    let index: Int
    let address: IPAddress
    let settings: VirtualRouter.Settings
    var router: VirtualRouter
    /// Whether the kernel shows the virtual address.
    var kernelShows = false
    /// When the kernel has done all that was asked of it.
    var kernelBusyUntil = Instant.zero
    /// The process is stopped until then (SIGSTOP): it neither reads nor runs timers.
    var stoppedUntil: Instant?
    /// What arrived while it was stopped, in order.
    var inbox: [Event] = []
    var transitions = 0
    var becameActive = 0
    /// When it says next over the pair link what it is; `nil` without one.
    var nextReport: Instant?
    private var seal = Self.newSeal()

    init(index: Int, settings: VirtualRouter.Settings) {
        self.index = index
        self.settings = settings
        address = Self.address(index)
        router = VirtualRouter(settings)
    }

    static func address(_ index: Int) -> IPAddress { .v4(IPv4Address(10, 0, 0, UInt8(11 + index))) }

    /// Whether it would answer for the address and says so.
    var isActive: Bool { router.role == .active && kernelShows }

    /// When the node wants to run next.
    var wakesAt: Instant {
        if let stoppedUntil { return stoppedUntil }
        return min(router.nextDeadline ?? .distantFuture, nextReport ?? .distantFuture)
    }

    // MARK: Sealing

    /// All nodes have one key, and the simulation's clock on the wall.
    private static func newSeal() -> HMACAuthentication? {
        HMACAuthentication.Key(id: 1, secret: Array(repeating: 7, count: 32)).map {
            HMACAuthentication(.init(keys: [$0], activeKey: 1, interval: .milliseconds(100)))
        }
    }

    /// What a new process knows of the old one's sequence numbers: nothing.
    mutating func forgetSeals() { seal = Self.newSeal() }

    mutating func write(
        _ advertisement: Advertisement, to: IPAddress, isSealed: Bool, wall: Duration
    ) -> [UInt8] {
        let plain = advertisement.write(from: address, to: to, checksum: .pseudoHeader)
        guard isSealed else { return plain }
        return seal?.write(
            advertisement, from: address, to: to, checksum: .pseudoHeader, wall: Self.epoch + wall,
            with: TestAuthenticator()) ?? plain
    }

    mutating func read(
        _ bytes: [UInt8], from: IPAddress, isSealed: Bool, wall: Duration
    ) throws(Discard) -> Advertisement {
        guard isSealed, var seal else {
            return try Advertisement(parsing: bytes.span, from: from, to: address, hopLimit: 255)
        }
        defer { self.seal = seal }
        return try seal.read(
            bytes.span, from: from, to: address, hopLimit: 255, wall: Self.epoch + wall, with: TestAuthenticator())
    }

    private static let epoch = Duration.seconds(1_800_000_000)
}

/// Something on its way to a node.
struct SimulationDelivery {
    enum Content {
        case packet([UInt8], from: IPAddress)
        /// Somebody sends again what he has seen.
        case replay([UInt8], from: IPAddress)
        /// What a peer says about itself over the pair link.
        case report(VirtualRouter.PeerReport)
        /// The kernel does what it was asked.
        case kernelClaims(VirtualRouter.Attempt, errno: Int32?)
        case kernelReleases
        case fault(SimulationFault)
    }

    var at: Instant
    var order: Int
    var to: Int
    var content: Content
}

/// Something that goes wrong, or right again.
enum SimulationFault {
    case stop(Duration)
    case removeAddress
    case ready(Bool)
    case interface(Bool)
    case stepDown
    case weight(Int)
    /// The process is killed and started again.
    case restart
    case reload
    case cut(from: Int)
    case mend
    case heal
}
