// Questions to a proxy's daemon over its admin socket.

import Linux
package import Wire

extension Proxy {
    /// How long an answer may take.
    private static let patience: Duration = .seconds(5)
    /// The longest answer, in bytes.
    private static let maximumAnswer = 256 << 20

    /// Asks the daemon; clients and probes go on meanwhile.
    ///
    /// - Returns: the answer's last line.
    /// - Throws: ``LabError`` when there is no answer, or when it says no.
    @discardableResult
    package func ask(_ request: JSON) throws(LabError) -> JSON {
        let path = "\(runDirectory)/admin.sock"
        let socket = try kernel("asking \(host.name)") { () throws(Errno) in try UnixSocket.connect(path: path) }
        let number = socket.number
        var received: [UInt8] = []
        var failure: Errno?
        var isOver = false
        try kernel("asking \(host.name)") { () throws(Errno) in
            try Descriptor.writeAll(number, Array((request.text + "\n").utf8))
            try bench.loop.add(number, .readable) { _ in
                do throws(Errno) {
                    let bytes = try Descriptor.read(number, limit: 1 << 20)
                    received += bytes
                    isOver = bytes.isEmpty || received.count > Self.maximumAnswer
                } catch {
                    if error.isWouldBlock { return }
                    failure = error
                    isOver = true
                }
            }
        }
        defer { bench.loop.remove(number) }
        guard try bench.wait(for: Self.patience, { isOver }) else { throw LabError("\(host.name) does not answer") }
        if let failure { throw LabError("asking \(host.name)", failure) }
        guard let line = received.split(separator: 0x0A).last, let answer = try? JSON(parsing: Array(line).span) else {
            throw LabError("\(host.name) answers no JSON")
        }
        guard answer["ok"]?.bool == true else { throw LabError("\(host.name) says no: \(answer.text)") }
        return answer
    }

    /// Everything about the host.
    package func status() throws(LabError) -> JSON { try ask(["command": "status"]) }

    /// Hands the address over; the host stays back for `time`, or as long as it does when nothing is said.
    package func stepDown(for time: Duration? = nil) throws(LabError) {
        guard let time else {
            try ask(["command": "step-down"])
            return
        }
        try ask(["command": "step-down", "for_ms": JSON(time.wholeMilliseconds)])
    }

    /// Whether the pair link is up and both nodes know the same sticky entries.
    package func isInSync() throws(LabError) -> Bool {
        let peer = try status()["balancer"]?["peer"]
        return peer?["linked"]?.bool == true && peer?["synchronised"]?.bool == true
    }

    /// Whether the operator's step-down still keeps it from being active.
    func isSteppingDown() throws(LabError) -> Bool {
        try status()["vip"]?["stepping_down_for_ms"]?.integer != nil
    }

    /// Whether its checks know every broker to be up.
    func hasAllServers() throws(LabError) -> Bool {
        let servers = try status()["balancer"]?["backends"]?.array?.first?["servers"]?.array ?? []
        return !servers.isEmpty && servers.allSatisfy { $0["status"]?.string == "up" }
    }

    /// How many sticky entries it knows.
    package func entries() throws(LabError) -> Int64 {
        try status()["balancer"]?["tables"]?.array?.first?["entries"]?.integer ?? 0
    }
}

extension Lab {
    /// How long two tables may take to be the same.
    private static let syncLimit: Duration = .seconds(10)

    /// Waits until both nodes say that they are in sync and know equally many entries.
    package func waitUntilInSync() throws(LabError) {
        let deadline = Clock.now + Self.syncLimit
        while true {
            var counts: [Int64] = []
            var inSync = true
            for proxy in proxies {
                if try !proxy.isInSync() { inSync = false }
                counts.append(try proxy.entries())
            }
            if inSync, Set(counts).count == 1 { return }
            guard Clock.now < deadline else {
                throw LabError("not in sync after \(Self.syncLimit.text): the hosts know \(counts) entries")
            }
            try bench.pass(.milliseconds(50))
        }
    }
}
