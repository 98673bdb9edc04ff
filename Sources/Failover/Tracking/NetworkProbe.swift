// Questions to the network: does the witness answer, and does somebody else hold our addresses?

import Configuration
import Linux
import Telemetry
import VRRP
import Wire

/// Asks by ARP, neighbour discovery and echo, for one virtual router on its interface, and hears the answers.
///
/// A backup asks its witness; an active router asks for other holders of its addresses. Whoever is on the link is asked by
/// ARP or neighbour discovery, which no firewall of the host eats; a witness behind a router by echo. Nothing waits here.
final class NetworkProbe {
    /// The shortest time between two questions to the witness.
    private static let shortestInterval = Duration.milliseconds(20)
    /// Packets read in one turn, so that a flood cannot keep everything else waiting.
    private static let packetsPerTurn = 64

    /// The witness answered.
    var onWitness: () -> Void = {}
    /// A socket could not be had, and is to be tried for again.
    var onBlindness: () -> Void = {}
    /// Somebody else, at this link-layer address, says that he holds an address of ours.
    var onOtherHolder: (IPAddress, MACAddress) -> Void = { _, _ in }
    /// The addresses that are ours while active.
    var addresses: () -> [IPAddress] = { [] }
    /// How often the witness is asked.
    var interval: () -> Duration = { .milliseconds(100) }

    /// Questions, answers of the witness, answers of other holders, and what the kernel refused.
    private(set) var counters = (asked: UInt64(0), witness: UInt64(0), others: UInt64(0), failures: UInt64(0))
    private(set) var lastWitness: Instant?
    private(set) var lastOther: (address: IPAddress, mac: MACAddress, at: Instant)?

    private let around: RouterDriver.Surroundings
    private(set) var plan: TrackingPlan
    private var interface: Interface?
    private var source: IPAddress?
    private var prefixes: [IPPrefix] = []
    private var role = VirtualRouter.Role.initialize
    /// Another holder that was seen and is asked for again.
    private var suspicion = HolderSuspicion()
    /// What was claimed by whom was seen last.
    private var suspected: IPAddress?
    private let suspicionTimer: DeadlineTimer
    private var arp: ARPSocket?
    private var icmp: ICMPSocket?
    private var sequence: UInt16 = 0
    /// Told from other programs' echoes by this.
    private let identifier = UInt16(truncatingIfNeeded: ProcessSelf.pid)
    private let witnessTimer: DeadlineTimer
    private let holderTimer: DeadlineTimer

    init(_ plan: TrackingPlan, _ around: RouterDriver.Surroundings) {
        self.plan = plan
        self.around = around
        witnessTimer = DeadlineTimer(on: around.loop)
        holderTimer = DeadlineTimer(on: around.loop)
        suspicionTimer = DeadlineTimer(on: around.loop)
        witnessTimer.onDeadline = { [weak self] in self?.askWitness() }
        holderTimer.onDeadline = { [weak self] in self?.askHolders() }
        suspicionTimer.onDeadline = { [weak self] in
            guard let self, role == .active, let suspected else { return }
            ask(for: suspected)
        }
    }

    // MARK: What it works with

    /// What the kernel shows now.
    func look(_ interface: Interface?, source: IPAddress?, prefixes: [IPPrefix]) {
        if interface?.index != self.interface?.index { closeICMP() }
        self.interface = interface
        self.source = source
        self.prefixes = prefixes
        if isWanted { open() }
    }

    /// Works by another plan from now on.
    func apply(_ plan: TrackingPlan) {
        self.plan = plan
        arm()
    }

    /// The router's role now.
    func follow(_ role: VirtualRouter.Role) {
        guard role != self.role else { return }
        self.role = role
        forgetSuspicion()
        arm()
    }

    func close() {
        role = .initialize
        forgetSuspicion()
        arm()
        closeICMP()
        if let arp { around.loop.remove(arp.number) }
        arp = nil
    }

    private func forgetSuspicion() {
        suspicion.forget()
        suspected = nil
        suspicionTimer.cancel()
    }

    private var isWanted: Bool { plan.witness != nil || plan.duplicateProbe != nil }

    private func arm() {
        if isWanted, interface != nil { open() }
        let now = Clock.now
        if role == .backup, plan.witness != nil { witnessTimer.follow(now) } else { witnessTimer.cancel() }
        if role == .active, let pause = plan.duplicateProbe {
            holderTimer.follow(now + min(pause, .seconds(1)))
        } else {
            holderTimer.cancel()
        }
    }

    /// - Returns: whether it could be done.
    @discardableResult
    private func attempt(_ body: () throws(Errno) -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            counters.failures += 1
            around.log.debug("The network could not be asked.", ["error": error])
            return false
        }
    }

    private func open() {
        guard let interface, let source else { return }
        let isOpen = attempt { () throws(Errno) in
            if source.family == .ipv4 {
                if let arp {
                    try arp.move(to: interface.index)
                } else {
                    let socket = try ARPSocket(on: interface.index)
                    try around.loop.add(socket.number, .readable) { [weak self] _ in self?.readARP() }
                    arp = socket
                }
            }
            let needsICMP = source.family == .ipv6 || plan.witness.map { !isOnLink($0.address) } == true
            if needsICMP, icmp == nil {
                let socket = try ICMPSocket(family: source.family, interface: interface)
                try around.loop.add(socket.number, .readable) { [weak self] _ in self?.readICMP() }
                icmp = socket
            }
        }
        if !isOpen { onBlindness() }
    }

    private func closeICMP() {
        guard let icmp else { return }
        around.loop.remove(icmp.number)
        self.icmp = nil
    }

    private func isOnLink(_ address: IPAddress) -> Bool {
        address.isLinkLocal || prefixes.contains { $0.contains(address) }
    }

    // MARK: Questions

    private func askWitness() {
        witnessTimer.follow(Clock.now + max(interval(), Self.shortestInterval))
        guard let witness = plan.witness?.address, let source else { return }
        if isOnLink(witness) { return ask(for: witness) }
        sequence &+= 1
        counters.asked += 1
        attempt { () throws(Errno) in
            try icmp?.send(
                ICMPMessage.echoRequest(witness.family, identifier: identifier, sequence: sequence), from: source,
                to: witness)
        }
    }

    private func askHolders() {
        guard let pause = plan.duplicateProbe else { return }
        holderTimer.follow(Clock.now + pause)
        for address in addresses() { ask(for: address) }
    }

    /// Asks everybody on the link who has the address.
    private func ask(for address: IPAddress) {
        guard let mac = interface?.mac, let source else { return }
        counters.asked += 1
        attempt { () throws(Errno) in
            switch (address, source) {
            case (.v4(let target), .v4(let sender)): try arp?.send(.question(for: target, from: sender, at: mac))
            case (.v6(let target), .v6):
                try icmp?.send(
                    ICMPMessage.neighborSolicitation(for: target, at: mac), from: source,
                    to: .v6(ICMPMessage.solicitedNode(target)))
            // Of another family than the advertisements: no address to ask from.
            case (.v4, .v6), (.v6, .v4): counters.asked -= 1
            }
        }
    }

    // MARK: Answers

    private func readARP() {
        attempt { () throws(Errno) in
            try arp?.drain(limit: Self.packetsPerTurn) { message in
                guard let mac = interface?.mac, message.senderMAC != mac else { return }
                if .v4(message.sender) == plan.witness?.address, message.operation == .reply, message.targetMAC == mac {
                    witnessAnswered()
                }
                holds(.v4(message.sender), message.senderMAC)
            }
        }
    }

    private func readICMP() {
        attempt { () throws(Errno) in
            try icmp?.drain(limit: Self.packetsPerTurn) { message, source in
                switch message {
                case .echoReply(let identifier, _):
                    if identifier == self.identifier, source == plan.witness?.address { witnessAnswered() }
                case .neighborAdvertisement(let target, let mac):
                    guard mac != interface?.mac else { return }
                    if .v6(target) == plan.witness?.address { witnessAnswered() }
                    if let mac { holds(.v6(target), mac) }
                }
            }
        }
    }

    private func witnessAnswered() {
        counters.witness += 1
        lastWitness = Clock.now
        onWitness()
    }

    private func holds(_ address: IPAddress, _ mac: MACAddress) {
        guard role == .active, addresses().contains(address) else { return }
        counters.others += 1
        let now = Clock.now
        switch suspicion.saw(at: now) {
        case .nothing: break
        case .ask(let at):
            suspected = address
            suspicionTimer.follow(at)
        case .believe:
            lastOther = (address, mac, now)
            onOtherHolder(address, mac)
        }
    }

    // MARK: Report

    /// The probe's part of the status.
    func report(at now: Instant) -> JSON {
        [
            "witness": plan.witness.map { witness in
                [
                    "address": .string(witness.address.description), "required": JSON(witness.isRequired),
                    "answered_ms": lastWitness.map { milliseconds(now - $0) } ?? .null,
                    "answers": JSON(counters.witness),
                ]
            } ?? .null,
            "other_holders": [
                "answers": JSON(counters.others),
                "last": lastOther.map { other in
                    [
                        "address": .string(other.address.description), "mac": .string(other.mac.description),
                        "age_ms": milliseconds(now - other.at),
                    ]
                } ?? .null,
            ],
            "questions": JSON(counters.asked),
            "failures": JSON(counters.failures),
        ]
    }
}
