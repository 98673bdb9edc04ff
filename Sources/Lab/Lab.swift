// A pair, its brokers and a client host on this machine, in namespaces.

import Glibc
import Linux
import Synchronization
import Wire

/// Two proxies, several brokers and a client host on one bridge.
///
/// Everything it makes bears its prefix, and is removed by ``with(_:_:)`` whatever happens; what a killed lab leaves
/// behind is removed by ``clean(_:)``.
package final class Lab {
    /// Programs a lab needs.
    package static let tools = [
        "ip", "sh", "mount", "nsenter", "arping", "tcpdump", "nft", "mosquitto", "mosquitto_pub", "mosquitto_sub",
    ]
    /// How long the pair may take until it serves.
    private static let readyLimit: Duration = .seconds(20)
    private static let numbers = Atomic<Int>(0)

    package let settings: LabSettings
    package let bench: Workbench
    package let network: LabNetwork
    package let client: Host
    package let brokers: [Broker]
    package let proxies: [Proxy]
    private var watches: [AddressWatch] = []

    private init(_ settings: LabSettings, _ bench: Workbench) throws(LabError) {
        self.settings = settings
        self.bench = bench
        var hosts: [(name: String, octet: UInt8)] = [("lb1", 11), ("lb2", 12), ("client", 100)]
        for number in 1...settings.brokers { hosts.append(("b\(number)", UInt8(20 + number))) }
        let network = try LabNetwork(bench, hosts: hosts)
        self.network = network
        client = network.host("client")
        var brokers: [Broker] = []
        for number in 1...settings.brokers { brokers.append(Broker(network.host("b\(number)"), bench)) }
        self.brokers = brokers
        var proxies: [Proxy] = []
        for name in ["lb1", "lb2"] {
            proxies.append(try Proxy(network.host(name), bench, network, executable: settings.program))
        }
        self.proxies = proxies
        let directory = bench.directory
        let text = PairConfiguration.text(
            settings, proxies: proxies.map(\.host), brokers: brokers, directory: directory)
        try kernel("the configuration") { () throws(Errno) in
            try FileTree.makeDirectory("\(directory)/run")
            var secret = try Self.secret()
            for (index, proxy) in proxies.enumerated() {
                if index > 0, settings.hasWrongSecret { secret = try Self.secret() }
                try FileTree.write("\(directory)/\(proxy.host.name)/pair.key", secret, mode: 0o600)
            }
            try FileTree.write("\(directory)/understudy.conf", Array(text.utf8))
        }
        if settings.capture { _ = try network.capture() }
    }

    /// 32 random octets, in the form of a secret file (`PairSecret`).
    private static func secret() throws(Errno) -> [UInt8] {
        let digits = try FileTree.randomBytes(32).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        return Array(("understudy-pair-1 " + digits.joined() + "\n").utf8)
    }

    /// Builds a lab, runs `body` in it and removes it, also when `body` throws. Its directory (logs, configuration,
    /// capture) is kept when the environment says `UNDERSTUDY_KEEP`.
    package static func with<Result>(
        _ settings: LabSettings, _ body: (Lab) throws(LabError) -> Result
    ) throws(LabError) -> Result {
        try requirements(settings)
        let bench = try Workbench(number: numbers.add(1, ordering: .relaxed).newValue)
        var failure: LabError?
        var result: Result?
        do throws(LabError) { result = try body(Lab(settings, bench)) } catch { failure = error }
        Interruption.acknowledge()
        try remove(bench, keep: FileTree.variable("UNDERSTUDY_KEEP") != nil)
        if let failure { throw failure }
        guard let result else { preconditionFailure("neither a result nor a failure") }
        return result
    }

    /// What this machine lacks to run a lab; a sentence, or `nil`.
    package static func missing(program: String) -> String? {
        if getuid() != 0 { return "a lab makes network namespaces: it must be run by root" }
        let absent = tools.filter { FileTree.program($0) == nil }
        if !absent.isEmpty {
            return
                "missing programs: \(absent.joined(separator: ", ")) (packaging/install-dependencies.sh installs them)"
        }
        if (try? FileTree.open(program, O_RDONLY)) == nil { return "there is no program \(program)" }
        return nil
    }

    private static func requirements(_ settings: LabSettings) throws(LabError) {
        if let missing = missing(program: settings.program) { throw LabError(missing) }
        guard (1...9).contains(settings.brokers) else { throw LabError("a lab has 1 to 9 brokers") }
    }

    private static func remove(_ bench: Workbench, keep: Bool) throws(LabError) {
        try LabNetwork.remove(prefix: bench.prefix, bench)
        for program in bench.programs { program.signal(SIGKILL) }
        _ = try bench.wait(for: .seconds(5)) { bench.programs.allSatisfy { $0.ending != nil } }
        if !keep {
            let directory = bench.directory
            try kernel("removing \(directory)") { () throws(Errno) in try FileTree.remove(directory) }
        }
    }

    /// Removes what labs left that were killed. Labs that live are left alone.
    ///
    /// - Returns: the prefixes of what was removed.
    package static func clean() throws(LabError) -> [String] {
        let bench = try Workbench(number: numbers.add(1, ordering: .relaxed).newValue)
        let names = ((try? FileTree.list("/tmp")) ?? []).filter { $0.hasPrefix("us") && $0.hasSuffix("-lab") }
        var removed: [String] = []
        var failure: LabError?
        do throws(LabError) {
            for name in names {
                let prefix = String(name.dropLast(3))
                guard prefix != bench.prefix,
                    let lock = try? FileTree.open("/tmp/\(name)/lock", O_RDWR),
                    flock(lock.number, LOCK_EX | LOCK_NB) == 0
                else { continue }
                try LabNetwork.remove(prefix: prefix, bench)
                try kernel("removing \(name)") { () throws(Errno) in try FileTree.remove("/tmp/\(name)") }
                removed.append(prefix)
            }
        } catch { failure = error }
        try remove(bench, keep: false)
        if let failure { throw failure }
        return removed
    }

    // MARK: The pair

    /// Starts brokers and both proxies, and waits until exactly one holds the address and answers a client there.
    package func startPair() throws(LabError) {
        for broker in brokers { try broker.start() }
        for proxy in proxies { try proxy.start() }
        try waitUntilServing()
    }

    /// Waits until a CONNECT through the virtual address is answered, and exactly one host holds the address.
    package func waitUntilServing() throws(LabError) {
        let deadline = Clock.now + Self.readyLimit
        let prober = Prober(
            self, Prober.Settings(name: "ready", interval: .milliseconds(50), limit: .milliseconds(500)))
        prober.start()
        defer { prober.stop() }
        while true {
            let before = prober.successes.count
            let answered = try bench.wait(for: .seconds(1)) { prober.successes.count > before + 2 }
            if answered, try holders().count == 1 { return }
            for proxy in proxies {
                if let ending = proxy.program?.ending { throw LabError("\(proxy.host.name) ended: \(ending)") }
            }
            if Clock.now > deadline {
                let reasons = Set(prober.failures.map(\.reason)).sorted()
                throw LabError(
                    "nobody serves \(LabNetwork.virtualAddress) after \(Self.readyLimit.text), or two hold it: \(reasons)"
                )
            }
        }
    }

    /// The proxies whose kernel has the virtual address.
    package func holders() throws(LabError) -> [Proxy] {
        var holders: [Proxy] = []
        for proxy in proxies where try proxy.holdsAddress() { holders.append(proxy) }
        return holders
    }

    /// The one proxy that holds the address, and the other.
    package func roles() throws(LabError) -> (active: Proxy, standby: Proxy) {
        let holders = try holders()
        guard holders.count == 1, let active = holders.first,
            let standby = proxies.first(where: { $0 !== active })
        else {
            throw LabError("\(holders.count) hosts hold the address: \(holders.map(\.host.name))")
        }
        return (active, standby)
    }

    /// Follows from now on who holds the address.
    package func watchAddress() throws(LabError) -> AddressWatch {
        let watch = try AddressWatch(bench, network, hosts: proxies.map(\.host))
        watches.append(watch)
        return watch
    }

    /// The ends of the daemons' logs, for the message of a failure.
    package func logs(_ lines: Int) -> String {
        proxies.map { proxy in
            "--- \(proxy.host.name):\n"
                + proxy.log.split(separator: "\n").suffix(lines).joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
