// Answers that may be long: clients and table entries, one JSON value a line.

import Balancing
import Configuration
import Control
import Linux
import Telemetry
import Wire

extension BalancerProcess {
    /// Answers a request on the admin connection itself: items one a line, then a line with `"ok"`.
    func stream(_ request: JSON, to connection: consuming FileDescriptor) {
        do {
            let isRoom = streams < AnswerStream.maximum
            let stream = try AnswerStream(connection, on: loop) { [weak self] in self?.streams -= 1 }
            streams += 1
            guard isRoom else {
                streamRefusals += 1
                stream.finish(Self.refusal("\(AnswerStream.maximum) long answers are being written already; ask again"))
                return
            }
            switch request["command"]?.string {
            case "clients": clients(request, stream)
            case "table": table(request, stream)
            default: stream.finish(Self.refusal("the balancer does not know this command"))
            }
        } catch {
            log.warning("an admin connection was lost", ["error": "\(error)"])
        }
    }

    // MARK: Clients

    private func clients(_ request: JSON, _ stream: AnswerStream) {
        let wanted = request["server"]?.string
        let original = request["original"]?.string.map { Array($0.utf8) }
        do {
            let bell = try Bell()
            let listing = SessionListing(loops: loops.count) { bell.ring() }
            try loop.add(bell.number, .readable) { [unowned self] _ in
                loop.remove(bell.number)
                let sessions = listing.sessions
                show(original == nil ? sessions : sessions.filter { $0.original == original }, of: wanted, stream)
            }
            for handle in loops { handle.mailbox.post(.list(listing)) }
            if loops.isEmpty { stream.finish(["ok": true]) }
        } catch {
            stream.finish(Self.refusal("\(error)"))
        }
    }

    /// Sessions or entries looked at without a line to show for it, before other work has its turn.
    private static let searched = 256

    /// Writes what is known of the sessions; `wanted` names the only server of interest.
    private func show(_ sessions: [SessionListing.Session], of wanted: String?, _ stream: AnswerStream) {
        var next = 0
        stream.feed { [unowned self] in
            let end = min(next + Self.searched, sessions.count)
            while next < end {
                let session = sessions[next]
                next += 1
                if wanted == nil || wanted == serverName(session.server) { return .line(describe(session)) }
            }
            return next < sessions.count ? .pause : .end
        } last: {
            ["ok": true]
        }
    }

    private func serverName(_ place: ServerPlace) -> String? {
        registry?.backends[Int(place.backend)].serverName(place.index)
    }

    private func describe(_ session: SessionListing.Session) -> JSON {
        let now = Clock.now
        let backend = registry?.backends[Int(session.server.backend)]
        let because = Choice.Because.allCases[min(Int(session.reason), Choice.Because.allCases.count - 1)]
        let level = ["3": "3.1", "4": "3.1.1", "5": "5.0"]["\(session.level)"]
        return [
            "client_id": .string(String(decoding: session.clientID, as: UTF8.self)),
            "original": session.original.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null,
            "address": .string("\(session.peer)"), "version": JSON(level), "keep_alive_s": JSON(session.keepAlive),
            "backend": JSON(backend?.name), "server": JSON(backend?.serverName(session.server.index)),
            "because": .string(because.rawValue),
            "listener": JSON(registry?.listeners[Int(session.listener)].settings.name),
            "since_ms": JSON((now - session.since).wholeMilliseconds),
            "silent_ms": JSON((now - session.lastActivity).wholeMilliseconds),
            "bytes_up": JSON(session.bytesUp), "bytes_down": JSON(session.bytesDown), "loop": JSON(session.loop),
        ]
    }

    // MARK: Tables

    private func table(_ request: JSON, _ stream: AnswerStream) {
        let name = request["table"]?.string ?? ""
        guard let table = registry?.tables.first(where: { $0.name == name }) else {
            let known = registry?.tables.map(\.name).joined(separator: ", ") ?? ""
            stream.finish(Self.refusal("no stick table is called \"\(name)\"; there are: \(known)"))
            return
        }
        let now = Clock.now
        let key = request["key"]?.string.map { Array($0.utf8) }
        if request["clear"]?.bool == true {
            clear(table, key, stream)
        } else if let server = request["set"]?.string {
            set(table, key, server, stream)
        } else if let key {
            guard let entry = table.entry(key, at: now) else {
                stream.finish(Self.refusal("the table has no such client"))
                return
            }
            stream.feed(once: describe(key, entry, at: now), last: ["ok": true])
        } else {
            walk(table, stream)
        }
    }

    private func clear(_ table: TableRuntime, _ key: [UInt8]?, _ stream: AnswerStream) {
        if let key {
            stream.finish(
                table.delete(key, at: Clock.now) ? ["ok": true] : Self.refusal("the table has no such client"))
            return
        }
        var place: (shard: Int, position: Int)? = (0, 0)
        var deleted = 0
        // In pieces, so that beats and checks go on.
        func step() {
            let now = Clock.now
            for _ in 0..<8 {
                guard let here = place else { break }
                let (entries, next) = table.list(from: here, most: Self.searched, at: now)
                for entry in entries where table.delete(entry.key, at: now) { deleted += 1 }
                place = next
            }
            if place == nil {
                stream.finish(["ok": true, "deleted": JSON(deleted)])
            } else {
                loop.schedule(at: now) { step() }
            }
        }
        step()
    }

    private func set(_ table: TableRuntime, _ key: [UInt8]?, _ server: String, _ stream: AnswerStream) {
        guard let key, !key.isEmpty else {
            stream.finish(Self.refusal("set needs a key"))
            return
        }
        let users = (registry?.activeBackends ?? []).filter { $0.table?.name == table.name }
        guard users.contains(where: { $0.serverIndex(named: server) != nil }) else {
            stream.finish(Self.refusal("no server called \"\(server)\" is in a backend that uses this table"))
            return
        }
        let isStored = table.set(key, server: Server.id(named: server), at: Clock.now)
        stream.finish(isStored ? ["ok": true] : Self.refusal("the table is full of connected clients"))
    }

    private func walk(_ table: TableRuntime, _ stream: AnswerStream) {
        var place: (shard: Int, position: Int)? = (0, 0)
        var batch: ArraySlice<StickTable.Listed> = []
        stream.feed { [unowned self] in
            let now = Clock.now
            if batch.isEmpty {
                guard let here = place else { return .end }
                let (entries, next) = table.list(from: here, most: Self.searched, at: now)
                batch = entries[...]
                place = next
            }
            guard let listed = batch.popFirst() else { return .pause }
            return .line(describe(listed.key, listed.entry, at: now))
        } last: {
            ["ok": true]
        }
    }

    private func describe(_ key: [UInt8], _ entry: StickTableEntry, at now: Instant) -> JSON {
        [
            "key": .string(String(decoding: key, as: UTF8.self)), "server": .string(serverName(entry.server)),
            "connected": JSON(entry.connected), "held_by_peer": JSON(entry.isHeldByPeer),
            "expires_ms": entry.expires == .distantFuture ? .null : JSON((entry.expires - now).wholeMilliseconds),
            "version": JSON(entry.value.version.counter),
        ]
    }

    /// A server's name from its identity; servers that are in no backend any more have none.
    private func serverName(_ id: Server.ID) -> String {
        for backend in registry?.activeBackends ?? [] {
            let value = backend.current
            if let index = value.index(of: id) { return value.servers[index].settings.name }
        }
        return "unknown-" + String(id, radix: 16)
    }
}
