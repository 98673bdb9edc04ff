// The octets of control messages.

import Linux
import Wire

extension SupervisorMessage {
    private enum Kind: UInt8 {
        case descriptors = 1, prepare, commit, cancel, query, admin, balancerLink, vipLink, stop, welcome, handOver, believe, drain
    }

    package var descriptorCount: Int {
        switch self {
        case .descriptors(let names): names.count
        case .prepare, .admin, .vipLink: 1
        case .balancerLink: 2
        case .commit, .cancel, .query, .stop, .welcome, .handOver, .believe, .drain: 0
        }
    }

    package func write(into bytes: inout [UInt8]) {
        switch self {
        case .descriptors(let names):
            bytes.append(Kind.descriptors.rawValue)
            bytes.append(UInt8(names.count))
            for name in names { bytes.append(text: name.text) }
        case .prepare(let generation):
            bytes.append(Kind.prepare.rawValue)
            bytes.append(bigEndian: generation)
        case .commit(let generation):
            bytes.append(Kind.commit.rawValue)
            bytes.append(bigEndian: generation)
        case .cancel(let generation):
            bytes.append(Kind.cancel.rawValue)
            bytes.append(bigEndian: generation)
        case .query(let id, let request):
            bytes.append(Kind.query.rawValue)
            bytes.append(bigEndian: id)
            bytes.append(text: request.text)
        case .admin(let request):
            bytes.append(Kind.admin.rawValue)
            bytes.append(text: request.text)
        case .balancerLink: bytes.append(Kind.balancerLink.rawValue)
        case .vipLink: bytes.append(Kind.vipLink.rawValue)
        case .stop(let deadline):
            bytes.append(Kind.stop.rawValue)
            bytes.append(bigEndian: deadline.nanoseconds)
        case .welcome: bytes.append(Kind.welcome.rawValue)
        case .handOver(let program):
            bytes.append(Kind.handOver.rawValue)
            bytes.append(text: program, limit: ControlLimits.path)
        case .believe: bytes.append(Kind.believe.rawValue)
        case .drain(let deadline, let rate):
            bytes.append(Kind.drain.rawValue)
            bytes.append(bigEndian: deadline.nanoseconds)
            bytes.append(bigEndian: rate)
        }
    }

    package init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        guard let octet = try? reader.u8(), let kind = Kind(rawValue: octet) else {
            throw MalformedMessage("unknown kind of order")
        }
        do {
            switch kind {
            case .descriptors: self = .descriptors(try Self.names(&reader))
            case .prepare: self = .prepare(generation: try reader.u64())
            case .commit: self = .commit(generation: try reader.u64())
            case .cancel: self = .cancel(generation: try reader.u64())
            case .query: self = .query(id: try reader.u64(), request: try reader.json())
            case .admin: self = .admin(request: try reader.json())
            case .balancerLink: self = .balancerLink
            case .vipLink: self = .vipLink
            case .welcome: self = .welcome
            case .handOver: self = .handOver(program: try reader.text(limit: ControlLimits.path))
            case .believe: self = .believe
            case .drain:
                self = .drain(
                    deadline: Instant(nanoseconds: Int64(bitPattern: try reader.u64())), rate: try reader.u32())
            case .stop: self = .stop(deadline: Instant(nanoseconds: Int64(bitPattern: try reader.u64())))
            }
        } catch let error as MalformedMessage {
            throw error
        } catch {
            throw MalformedMessage("the message ends early")
        }
        guard reader.isAtEnd else { throw MalformedMessage("something follows the message") }
    }

    private static func names(_ reader: inout ByteReader) throws -> [DescriptorName] {
        let count = Int(try reader.u8())
        guard count <= ControlLimits.descriptors else { throw MalformedMessage("\(count) descriptors") }
        var names: [DescriptorName] = []
        for _ in 0..<count {
            let text = try reader.text(limit: ControlLimits.name)
            guard let name = DescriptorName(text) else { throw MalformedMessage("descriptor name '\(text)'") }
            names.append(name)
        }
        return names
    }
}

extension ChildMessage {
    private enum Kind: UInt8 {
        case prepared = 65, refused, serving, beat, reply, state, held, succeeded, heartbeat, gaveUp, drained, program
    }

    /// Octets of a line of state.
    private static let stateLimit = 1024
    /// Octets of a refusal, which may hold many diagnostics.
    private static let reasonLimit = 1024 * 1024

    package var descriptorCount: Int { 0 }

    package func write(into bytes: inout [UInt8]) {
        switch self {
        case .prepared(let generation):
            bytes.append(Kind.prepared.rawValue)
            bytes.append(bigEndian: generation)
        case .refused(let generation, let reason):
            bytes.append(Kind.refused.rawValue)
            bytes.append(bigEndian: generation)
            bytes.append(text: reason, limit: Self.reasonLimit)
        case .serving(let generation):
            bytes.append(Kind.serving.rawValue)
            bytes.append(bigEndian: generation)
        case .beat: bytes.append(Kind.beat.rawValue)
        case .reply(let id, let answer):
            bytes.append(Kind.reply.rawValue)
            bytes.append(bigEndian: id)
            bytes.append(text: answer.text)
        case .state(let line):
            bytes.append(Kind.state.rawValue)
            bytes.append(text: line, limit: Self.stateLimit)
        case .held: bytes.append(Kind.held.rawValue)
        case .drained: bytes.append(Kind.drained.rawValue)
        case .succeeded(let pid):
            bytes.append(Kind.succeeded.rawValue)
            bytes.append(bigEndian: UInt32(bitPattern: pid))
        case .heartbeat(let thread):
            bytes.append(Kind.heartbeat.rawValue)
            bytes.append(bigEndian: UInt32(bitPattern: thread))
        case .program(let file):
            bytes.append(Kind.program.rawValue)
            bytes.append(bigEndian: file.device)
            bytes.append(bigEndian: file.number)
        case .gaveUp(let reason):
            bytes.append(Kind.gaveUp.rawValue)
            bytes.append(text: reason, limit: Self.stateLimit)
        }
    }

    package init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        guard let octet = try? reader.u8(), let kind = Kind(rawValue: octet) else {
            throw MalformedMessage("unknown kind of report")
        }
        do {
            switch kind {
            case .prepared: self = .prepared(generation: try reader.u64())
            case .refused:
                self = .refused(generation: try reader.u64(), reason: try reader.text(limit: Self.reasonLimit))
            case .serving: self = .serving(generation: try reader.u64())
            case .beat: self = .beat
            case .reply: self = .reply(id: try reader.u64(), answer: try reader.json())
            case .held: self = .held
            case .drained: self = .drained
            case .succeeded: self = .succeeded(pid: Int32(bitPattern: try reader.u32()))
            case .heartbeat: self = .heartbeat(thread: Int32(bitPattern: try reader.u32()))
            case .program: self = .program(File.Identity(device: try reader.u64(), number: try reader.u64()))
            case .gaveUp: self = .gaveUp(reason: try reader.text(limit: Self.stateLimit))
            case .state: self = .state(try reader.text(limit: Self.stateLimit))
            }
        } catch let error as MalformedMessage {
            throw error
        } catch {
            throw MalformedMessage("the message ends early")
        }
        guard reader.isAtEnd else { throw MalformedMessage("something follows the message") }
    }
}

// MARK: Fields

extension Array<UInt8> {
    /// Appends a text behind its length in octets; what is beyond `limit` octets is cut off.
    mutating func append(text: String, limit: Int = ControlLimits.body) {
        let octets = text.utf8.prefix(limit)
        append(bigEndian: UInt32(octets.count))
        append(contentsOf: octets)
    }
}

extension ByteReader {
    /// A text behind its length; invalid UTF-8 comes out repaired.
    mutating func text(limit: Int) throws -> String {
        let count = Int(try u32())
        guard count <= limit else { throw MalformedMessage("a text of \(count) octets") }
        return String(decoding: try take(count), as: UTF8.self)
    }

    /// A JSON value as text.
    mutating func json() throws -> JSON {
        let text = try text(limit: ControlLimits.body)
        do { return try JSON(parsing: text) } catch { throw MalformedMessage("JSON: \(error.reason)") }
    }
}
