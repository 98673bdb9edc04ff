// Two vip processes in two namespaces, each with a supervisor and a balancer that are this test.

import Control
import Failover
import Foundation
import Linux
import Synchronization
import TLS
import Telemetry
import Testing
import Wire

/// What a vip process returned, seen from another thread.
final class ExitStatus: Sendable {
    let value = Mutex<Int32?>(nil)
}

/// How a vip process lives in a test.
enum Life {
    /// On a thread of the test.
    case thread
    /// As a process of its own, which can be stopped and killed; what it logs goes to this descriptor.
    case process(errors: Int32 = 2)
}

/// One host: a vip process on a thread of its own, seen from its supervisor and its balancer.
final class VipHost {
    let name: String
    let netlink: Netlink
    let interface: Interface
    /// What the vip process returned; `nil` while it runs.
    private let result = ExitStatus()
    /// Where it runs as a process of its own; `nil`: on a thread.
    private(set) var process: Linux.Process?

    private let loop: EventLoop
    private(set) var supervisor: ControlChannel<ChildMessage, SupervisorMessage>
    private(set) var balancer: ControlChannel<VipNotice, BalancerBeat>?
    /// What the balancer says while it beats; `nil`: it is silent.
    var beat: BalancerBeat? { didSet { beats.say(beat) } }
    private let beats: BeatRepeater
    /// Rings when the balancer has died.
    private var death: Bell
    private(set) var messages: [ChildMessage] = []
    private(set) var notices: [VipNotice] = []
    /// Called with each notice, as the balancer would be.
    var onNotice: (VipNotice) -> Void = { _ in }
    private var replies: [UInt64: JSON] = [:]
    private var nextQuery: UInt64 = 1

    /// Starts a host in the calling thread's namespace, which its thread inherits.
    init(
        _ name: String, on loop: EventLoop, configuration: String, interface: String,
        serving: Bool = true, settled: Bool = true, secret: PairSecret? = VipPair.secret, as life: Life = .thread
    ) throws {
        self.name = name
        beats = try BeatRepeater()
        death = try Bell()
        beat = BalancerBeat(
            serving: serving, settled: settled, inSync: true, peerLinked: true, sessions: 0, usableServers: 1,
            backends: [.init(name: "brokers", usableServers: 1)])
        self.loop = loop
        netlink = try Netlink()
        self.interface = try netlink.interface(interface)
        let pair = try Socket.messagePair()
        let childEnd = try pair.second.duplicate().release()
        supervisor = try ControlChannel(try pair.first.duplicate(), on: loop)
        supervisor.onMessage = { [weak self] message, _ in self?.take(message) }

        switch life {
        case .thread:
            let thread = Thread { [result] in
                let status: Int32
                do {
                    let log = try Log(process: "vip", level: .error, sink: .lines(descriptor: 2))
                    status = try VipProcess(control: FileDescriptor(owning: childEnd), log: log).run()
                } catch {
                    status = -1
                }
                result.value.withLock { $0 = status }
            }
            thread.start()
        case .process(let errors):
            var launch = Linux.Process.Launch(
                path: Daemon.program, arguments: ["understudy", "vip"], environment: ["PATH=/usr/bin:/bin"])
            launch.descriptors = [ChildProcess.controlDescriptor: childEnd, 2: errors]
            let process = try Linux.Process(launch)
            Descriptor.close(childEnd)
            self.process = process
            try process.watch(on: loop) { [result] ending in
                result.value.withLock { $0 = if case .exited(let status) = ending { status } else { -1 } }
            }
        }

        try linkBalancer()
        if let secret { try hand(secret.fileContents, as: .vrrpSecret) }
        try configure(configuration, generation: 1)
        supervisor.send(.commit(generation: 1))
        sendBeats()
        // It reads its configuration beside everything else, and answers meanwhile: with no router.
        _ = try loop.waitFor {
            self.exitStatus != nil
                || self.messages.contains { message in
                    switch message {
                    case .serving(1), .refused(1, _): true
                    default: false
                    }
                }
        }
    }

    /// Hands over a configuration, with the files it names, and asks to prepare it.
    func configure(_ text: String, files: [ConfigurationBundle.File] = [], generation: UInt64) throws {
        let bundle = ConfigurationBundle(
            node: name, files: [.init(path: "understudy.conf", bytes: Array(text.utf8))] + files)
        let memfd = try bundle.sealed()
        supervisor.send(.prepare(generation: generation), [memfd.number])
    }

    /// Hands over a secret, which belongs to the next configuration.
    func hand(_ contents: [UInt8], as name: DescriptorName) throws {
        let memfd = try Memfd.sealed(name: "understudy-test", contents)
        supervisor.send(.descriptors([name]), [memfd.number])
    }

    func commit(generation: UInt64) { supervisor.send(.commit(generation: generation)) }

    /// Gives the vip process a new link to a balancer.
    func linkBalancer() throws {
        let pair = try Socket.messagePair()
        death = try Bell()
        supervisor.send(.balancerLink, [pair.second.number, death.number])
        beats.say(beat)
        beats.follow(try pair.first.duplicate())
        let link = try ControlChannel<VipNotice, BalancerBeat>(try pair.first.duplicate(), on: loop)
        link.onMessage = { [weak self] notice, _ in
            self?.notices.append(notice)
            self?.onNotice(notice)
        }
        balancer = link
    }

    /// The pair link: passes what the other host's vip says about itself, as its balancer and ours do.
    func listen(to other: VipHost) {
        other.onNotice = { [weak self] notice in
            guard let self, beat != nil else { return }
            beat?.peer = BalancerBeat.PeerReport(
                number: UInt64(clamping: notice.time.nanoseconds), age: Clock.now - notice.time,
                routers: notice.reports)
            if let beat { balancer?.send(beat) }
        }
    }

    /// The balancer dies.
    func killBalancer() {
        beats.follow(nil)
        death.ring()
        balancer?.close()
        balancer = nil
    }

    /// The supervisor dies.
    func killSupervisor() { supervisor.close() }

    /// Ends it, however it was treated, and sees that a process of it is reaped.
    func end() {
        beats.end()
        supervisor.close()
        if exitStatus == nil, let process {
            try? process.send(Signals.continue)
            let limit = Clock.now + .seconds(5)
            while exitStatus == nil, Clock.now < limit { try? loop.turn(limit: .milliseconds(10)) }
            if exitStatus == nil { try? process.send(Signals.kill) }
        }
        _ = try? loop.waitFor { self.exitStatus != nil }
    }

    private func sendBeats() {
        if let beat { balancer?.send(beat) }
        loop.schedule(at: Clock.now + ChildProcess.linkBeatInterval) { [weak self] in self?.sendBeats() }
    }

    private func take(_ message: ChildMessage) {
        if case .reply(let id, let answer) = message { replies[id] = answer }
        if message != .beat { messages.append(message) }
    }

    var exitStatus: Int32? { result.value.withLock { $0 } }

    /// Whether the kernel of this host shows the address.
    func holds(_ text: String) -> Bool {
        guard let address = IPAddress(text) else { return false }
        return (try? netlink.isShown(address, on: interface.index)) ?? false
    }

    /// The answer to a command; `nil` when none comes.
    func ask(_ request: JSON) throws -> JSON? {
        let id = nextQuery
        nextQuery += 1
        supervisor.send(.query(id: id, request: request))
        _ = try loop.waitFor { self.replies[id] != nil }
        return replies[id]
    }

    /// The first router's part of the status.
    func router() throws -> JSON? { try ask(["command": "status"])?["routers"]?.array?.first }
}

extension EventLoop {
    /// Runs a shell command in the calling thread's namespace while this loop, and with it every beat, goes on; the command
    /// must succeed.
    func shell(_ command: String) throws {
        let process = try Linux.Process(
            .init(
                path: "/bin/sh", arguments: ["sh", "-c", command],
                environment: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]))
        var ending: Linux.Process.Ending?
        try process.watch(on: self) { ending = $0 }
        guard try waitFor({ ending != nil }), ending?.isClean == true else { throw CommandFailed(command: command) }
    }

    /// Turns until the condition holds; gives up after ten seconds.
    func waitFor(_ condition: () -> Bool) throws -> Bool {
        let end = Clock.now + .seconds(10)
        while !condition() {
            guard Clock.now < end else { return false }
            try turn(limit: .milliseconds(10))
        }
        return true
    }
}

/// The file both hosts read, but for the interface's name.
enum VipPair {
    static let secret = PairSecret.generate()

    static func configuration(
        interface: String, address: String = "10.9.0.10/24", nodes: [String] = ["10.9.0.1", "10.9.0.2"],
        router: String = ""
    ) -> String {
        """
        \(withoutRouter(nodes: nodes))
        vrrp mqtt {
            interface \(interface)
            router-id 51
            address \(address)
            \(router)
        }
        """
    }

    static func withoutRouter(nodes: [String] = ["10.9.0.1", "10.9.0.2"]) -> String {
        """
        node left { address \(nodes[0]); priority 150 }
        node right { address \(nodes[1]); priority 100 }
        pair { secret /etc/understudy/pair.key }
        listen mqtt { bind *:1883; use brokers }
        backend brokers { server one 10.9.0.3:1883 }
        """
    }
}
