// What one supervisor leaves to the program that takes its place: numbers of descriptors, and what they are.

import Control
import Linux
import Wire

/// The supervisor's state as it travels through `execve`, or to who follows a supervisor that died: JSON in a memfd, whose
/// number is in ``variable`` or in ``KeeperWords``.
///
/// The new program has every descriptor that is named here. It may be of another version, so the form has a version, which
/// is compared before anything is stopped.
struct Heritage: Equatable {
    /// Name of the environment variable with the number of the memfd.
    static let variable = "UNDERSTUDY_HERITAGE"
    /// Name of the environment variable that says to read it, say so with exit status 0, and end.
    static let rehearsalVariable = "UNDERSTUDY_REHEARSAL"
    /// Name of the environment variable with a descriptor of the file of the program that wrote it.
    static let formerVariable = "UNDERSTUDY_FORMER"
    /// Name of the environment variable that says that the program in between could not begin.
    static let returnedVariable = "UNDERSTUDY_RETURNED"
    /// Raised with every change of the form, of ``KeeperWords``, or of what they mean.
    static let version = 3
    /// Octets of the JSON.
    private static let limit = 32 << 20

    /// A descriptor that outlives the balancer.
    enum Holding: Equatable {
        case listener(SocketAddress, backlog: Int32, loop: Int, Int32)
        case memory(name: String, bytes: Int, Int32)
        case secret(name: String, Int32)

        var descriptor: Int32 {
            switch self {
            case .listener(_, _, _, let number), .memory(_, _, let number), .secret(_, let number): number
            }
        }

        /// The same under another number.
        func renumbered(_ number: Int32) -> Holding {
            switch self {
            case .listener(let address, let backlog, let loop, _): .listener(address, backlog: backlog, loop: loop, number)
            case .memory(let name, let bytes, _): .memory(name: name, bytes: bytes, number)
            case .secret(let name, _): .secret(name: name, number)
            }
        }
    }

    /// A running child.
    struct Child: Equatable {
        var role: ChildProcess.Role
        var pid: Int32
        var channel: Int32
        var isHeld: Bool
        var started: Instant
        var state: String?
        var restarts: UInt64
        var lastEnding: String?
        /// The process that says it took this one's place; 0: none.
        var claimant: Int32
        /// The file of its program, as it said itself.
        var program: File.Identity?
        /// What it was given: the descriptors here, by the names there.
        var given: [String: Int32]
    }

    /// An end that an operator ordered at the admin socket: no signal, which the keeper would repeat.
    struct End: Equatable {
        /// By when sessions have drained; `nil`: nothing waits for them any more.
        var drainsUntil: Instant?
        /// The program that follows in the keeper's process; `nil`: none.
        var afterwards: String?
    }

    /// The version of the program that wrote it, for people.
    var program: String
    var started: Instant
    var generation: UInt64
    var lastGeneration: UInt64
    /// Event loops of the balancer.
    var loops: Int
    /// The configuration in force.
    var bundle: Int32
    /// Its secrets, by the names the children know them by, whether a child lives that has them or not.
    var secrets: [String: Int32]
    /// Whom the balancer becomes; `nil`: nobody else.
    var user: String?
    /// Octets that session tickets of a host that is alone are sealed with.
    var ticketSecret: [UInt8]
    var holdings: [Holding]
    var children: [Child]
    /// What operators ordered about servers.
    var orders: [JSON]
    /// The end that has begun; `nil`: none, or one that the keeper was told of.
    var end: End?
    /// The admin socket, and who is to be told how the upgrade went.
    var admin: Int32?
    var asker: Int32?

    /// Every descriptor it names.
    var descriptors: Set<Int32> {
        let others = [bundle] + [admin, asker].compactMap(\.self)
        return Set(others + secrets.values + holdings.map(\.descriptor) + children.map(\.channel))
    }

    /// The same with other numbers for its descriptors.
    ///
    /// - Throws: what `number` throws.
    func renumbered(_ number: (Int32) throws(Errno) -> Int32) throws(Errno) -> Heritage {
        var numbers: [Int32: Int32] = [:]
        for former in descriptors { numbers[former] = try number(former) }
        func new(_ former: Int32) -> Int32 {
            guard let new = numbers[former] else { preconditionFailure("a descriptor that is none of the heritage's") }
            return new
        }
        var other = self
        other.bundle = new(bundle)
        other.secrets = secrets.mapValues(new)
        other.holdings = holdings.map { $0.renumbered(new($0.descriptor)) }
        other.children = children.map { child in
            var child = child
            child.channel = new(child.channel)
            // What is held by nobody any more is given again.
            child.given = child.given.compactMapValues { numbers[$0] }
            return child
        }
        other.admin = admin.map(new)
        other.asker = asker.map(new)
        return other
    }

    /// The descriptor of the file of the program that wrote what was left, where that still waits for this one; `nil`: it does not.
    static var former: Int32? {
        ProcessSelf.environment(formerVariable).flatMap { Int32($0) }.flatMap { $0 > 2 ? $0 : nil }
    }

    /// Octets of a secret: certificates and authorities among them.
    static let secretLimit = 64 << 20

    /// What the secrets of the configuration in force hold.
    ///
    /// - Throws: `Errno` of reading them.
    func givenSecrets() throws(Errno) -> GivenSecrets {
        var contents: [DescriptorName: [UInt8]] = [:]
        for (text, number) in secrets {
            if let name = DescriptorName(text) { contents[name] = try Memfd.contents(number, limit: Self.secretLimit) }
        }
        return GivenSecrets(contents)
    }

    // MARK: Form

    var json: JSON {
        [
            "version": JSON(Self.version), "program": .string(program), "started": JSON(started.nanoseconds),
            "generation": JSON(generation), "last_generation": JSON(lastGeneration), "loops": JSON(loops), "bundle": JSON(bundle),
            "secrets": secrets.json, "user": JSON(user), "end": end.map(\.json) ?? .null,
            "ticket_secret": .array(ticketSecret.map { JSON($0) }), "holdings": .array(holdings.map(\.json)),
            "children": .array(children.map(\.json)), "orders": .array(orders), "admin": admin.map { JSON($0) } ?? .null,
            "asker": asker.map { JSON($0) } ?? .null,
        ]
    }

    init(
        program: String, started: Instant, generation: UInt64, lastGeneration: UInt64, loops: Int,
        bundle: Int32, secrets: [String: Int32], user: String?,
        ticketSecret: [UInt8], holdings: [Holding], children: [Child], orders: [JSON], end: End?, admin: Int32?, asker: Int32?
    ) {
        self.program = program
        self.started = started
        self.generation = generation
        self.lastGeneration = lastGeneration
        self.loops = loops
        self.bundle = bundle
        self.secrets = secrets
        self.user = user
        self.ticketSecret = ticketSecret
        self.holdings = holdings
        self.children = children
        self.orders = orders
        self.end = end
        self.admin = admin
        self.asker = asker
    }

    init?(_ json: JSON) {
        guard json["version"]?.integer == Int64(Self.version), let program = json["program"]?.string,
            let started = json["started"]?.integer, let generation = json["generation"]?.integer,
            let last = json["last_generation"]?.integer, let loops = json["loops"]?.integer, let bundle = json["bundle"]?.descriptor,
            let secrets = json["secrets"].flatMap([String: Int32].init), let end = json["end"],
            let secret = json["ticket_secret"]?.array, let holdings = json["holdings"]?.array,
            let children = json["children"]?.array, let orders = json["orders"]?.array
        else { return nil }
        let octets = secret.compactMap { $0.integer.flatMap { UInt8(exactly: $0) } }
        let knownHoldings = holdings.compactMap(Holding.init)
        let knownChildren = children.compactMap(Child.init)
        // Half of it is nothing.
        let knownEnd = End(end)
        guard octets.count == secret.count, knownHoldings.count == holdings.count, knownChildren.count == children.count,
            end == .null || knownEnd != nil
        else { return nil }
        self.init(
            program: program, started: Instant(nanoseconds: started), generation: UInt64(clamping: generation),
            lastGeneration: UInt64(clamping: last), loops: Int(loops), bundle: bundle, secrets: secrets,
            user: json["user"]?.string, ticketSecret: octets, holdings: knownHoldings,
            children: knownChildren, orders: orders, end: knownEnd, admin: json["admin"]?.descriptor,
            asker: json["asker"]?.descriptor)
    }

    // MARK: Travel

    /// Puts it where the next program finds it; closed by whoever lets go of it.
    func sealed() throws(Errno) -> FileDescriptor {
        try Memfd.sealed(name: "understudy-heritage", Array(json.text.utf8))
    }

    /// What the program before this one left; `nil`: there was none.
    ///
    /// - Throws: ``MalformedMessage`` when there is something that makes no sense.
    static func found() throws(MalformedMessage) -> Heritage? {
        guard let text = ProcessSelf.environment(variable) else { return nil }
        guard let number = Int32(text) else { throw MalformedMessage("\(variable)=\(text)") }
        return try Heritage(reading: number)
    }

    /// - Parameter number: the memfd with the form; closed.
    init(reading number: Int32) throws(MalformedMessage) {
        guard number > 2, Memfd.isSealed(number),
            let bytes = try? Memfd.contents(number, limit: Self.limit), let json = try? JSON(parsing: bytes.span),
            let heritage = Heritage(json)
        else { throw MalformedMessage("what the former program left cannot be read") }
        Descriptor.close(number)
        // What is not of the program any more is closed by whoever starts the next one.
        for number in heritage.descriptors where (try? Descriptor.setCloseOnExec(number, true)) == nil {
            throw MalformedMessage("descriptor \(number) was not handed over")
        }
        self = heritage
    }
}

extension JSON {
    /// The number of a descriptor above standard error.
    fileprivate var descriptor: Int32? { integer.flatMap { Int32(exactly: $0) }.flatMap { $0 > 2 ? $0 : nil } }
}

extension Heritage.Holding {
    fileprivate var json: JSON {
        switch self {
        case .listener(let address, let backlog, let loop, let number):
            [
                "address": .string("\(address.address)"), "port": JSON(address.port), "scope": JSON(address.scope),
                "backlog": JSON(backlog), "loop": JSON(loop), "fd": JSON(number),
            ]
        case .memory(let name, let bytes, let number):
            ["memory": .string(name), "bytes": JSON(bytes), "fd": JSON(number)]
        case .secret(let name, let number): ["secret": .string(name), "fd": JSON(number)]
        }
    }

    fileprivate init?(_ json: JSON) {
        guard let number = json["fd"]?.descriptor else { return nil }
        if let name = json["secret"]?.string {
            self = .secret(name: name, number)
        } else if let name = json["memory"]?.string, let bytes = json["bytes"]?.integer {
            self = .memory(name: name, bytes: Int(bytes), number)
        } else if let address = json["address"]?.string.flatMap({ IPAddress($0) }),
            let port = json["port"]?.integer.flatMap({ UInt16(exactly: $0) }),
            let scope = json["scope"]?.integer.flatMap({ UInt32(exactly: $0) }),
            let backlog = json["backlog"]?.integer.flatMap({ Int32(exactly: $0) }), let loop = json["loop"]?.integer
        {
            self = .listener(
                SocketAddress(address, port: port, scope: scope), backlog: backlog, loop: Int(loop), number)
        } else {
            return nil
        }
    }
}

extension Heritage.Child {
    fileprivate var json: JSON {
        [
            "role": .string(role.rawValue), "pid": JSON(pid), "channel": JSON(channel), "held": JSON(isHeld),
            "started": JSON(started.nanoseconds), "state": JSON(state), "restarts": JSON(restarts),
            "last_ending": JSON(lastEnding), "claimant": JSON(claimant),
            "program": .array((program.map { [$0.device, $0.number] } ?? []).map { JSON(Int64(bitPattern: $0)) }),
            "given": given.json,
        ]
    }

    fileprivate init?(_ json: JSON) {
        guard let role = json["role"]?.string.flatMap({ ChildProcess.Role(rawValue: $0) }),
            let pid = json["pid"]?.integer.flatMap({ Int32(exactly: $0) }), pid > 1,
            let channel = json["channel"]?.descriptor, let isHeld = json["held"]?.bool,
            let started = json["started"]?.integer, let restarts = json["restarts"]?.integer,
            let claimant = json["claimant"]?.integer.flatMap({ Int32(exactly: $0) }),
            let given = json["given"].flatMap([String: Int32].init)
        else { return nil }
        self.init(
            role: role, pid: pid, channel: channel, isHeld: isHeld, started: Instant(nanoseconds: started),
            state: json["state"]?.string, restarts: UInt64(clamping: restarts),
            lastEnding: json["last_ending"]?.string, claimant: claimant,
            program: File.Identity(json["program"]?.array ?? []), given: given)
    }
}

extension [String: Int32] {
    /// Descriptors by the names that somebody knows them by.
    fileprivate var json: JSON { .object(sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }) }

    fileprivate init?(_ json: JSON) {
        guard let members = json.members else { return nil }
        self.init()
        for member in members {
            guard let number = member.value.descriptor else { return nil }
            self[member.name] = number
        }
    }
}

extension Heritage.End {
    fileprivate var json: JSON {
        ["drains_until": drainsUntil.map { JSON($0.nanoseconds) } ?? .null, "afterwards": JSON(afterwards)]
    }

    fileprivate init?(_ json: JSON) {
        guard json.members != nil else { return nil }
        self.init(
            drainsUntil: json["drains_until"]?.integer.map { Instant(nanoseconds: $0) }, afterwards: json["afterwards"]?.string)
    }
}

extension File.Identity {
    fileprivate init?(_ parts: [JSON]) {
        guard parts.count == 2, let device = parts[0].integer, let number = parts[1].integer else { return nil }
        self.init(device: UInt64(bitPattern: device), number: UInt64(bitPattern: number))
    }
}
