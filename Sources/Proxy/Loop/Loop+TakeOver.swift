// The end of OpenSSL's part: a session whose handshake is done becomes plain data.

import Linux
import TLS
import Wire

extension Loop {
    /// Smallest chunk in which every record has room twice (RFC 5246, 6.2.3: 2048 bytes beyond the plaintext), so that the beginning
    /// of one is moved to the front without touching itself; and what becomes
    /// of one in fragments of 512 bytes has room, too.
    static let smallestRecordChunk = 40_960

    /// What became of an attempt to take a session over.
    enum TakeOver {
        /// Its records are ours from here on.
        case done
        /// It stays with OpenSSL: so configured, or no AEAD.
        case left
        /// Its state is not exactly known: it has to be closed.
        case refused
    }

    /// Takes the records of a side over, once its handshake is done.
    func takeOver(_ index: UInt32, client: Bool) -> TakeOver {
        guard let session = tls(index, client: client), session.isObserved, chunks.size >= Self.smallestRecordChunk
        else { return .left }
        let edge = slots[index].edge
        // Everything OpenSSL has sealed goes out before anything of ours: tickets, the last flight.
        while session.unsent > 0 {
            let before = session.unsent
            guard drain(index, isUp: !client, session), session.unsent < before else {
                counters.add(.takeOversRefused)
                return .refused
            }
        }
        var taken: TakenOverSession
        do throws(TakeOverRefusal) {
            taken = try session.takeOver()
        } catch .unsupported {
            counters.add(.takeOversLeft)
            return .left
        } catch {
            counters.add(.takeOversRefused)
            return .refused
        }
        defer {
            taken.reading.keys.wipe()
            taken.writing.wipe()
        }
        secrets.install(KeyPair(reading: taken.reading.keys, writing: taken.writing), edge, client: client)
        if client { edges[edge].clientRecords = taken.parameters } else { edges[edge].serverRecords = taken.parameters }
        // The session has no CONNACK yet: whoever dies here leaves nothing that is to live on.
        var from = edges[edge][isUp: client].progress
        from.readSequence = taken.reading.keys.sequence
        from.readGeneration = UInt8(truncatingIfNeeded: taken.reading.keys.generation)
        from.notes = taken.reading.notes
        from.asks = 0
        commit(index, isUp: client, from)
        var to = edges[edge][isUp: !client].progress
        to.writeSequence = taken.writing.sequence
        to.writeGeneration = UInt8(truncatingIfNeeded: taken.writing.generation)
        to.told = 0
        to.isSealed = false
        commit(index, isUp: !client, to)
        edges[edge].layers.insert(client ? .clientRecords : .serverRecords)
        if client { privates(index).clientTLS = nil } else { privates(index).serverTLS = nil }
        counters.add(.takeOvers)
        return .done
    }

    /// The mark of a side's keys in the ciphers' contexts: no other session ever has it.
    @inline(__always)
    func mark(_ index: UInt32, client: Bool) -> UInt64 { tag(index, isServer: !client) }

    /// Overwrites the keys of a side that is over, wherever they are.
    func wipeRecords(_ index: UInt32, client: Bool) {
        let edge = slots[index].edge
        guard edge != 0, edges[edge].layers.hasRecords(client: client) else { return }
        cipher.forget(mark(index, client: client), edges[edge].records(client: client).suite)
        // What was prepared and never committed goes with them.
        if secrets.isChanging { settleKeys() }
        secrets.wipe(edge, client: client)
        edges[edge].layers.remove(client ? .clientRecords : .serverRecords)
    }

    /// New keys whose generation was committed are the keys from here on; libcrypto's contexts forget the old ones.
    func settleKeys() {
        secrets.settle { edge, isClient, isReading in
            guard edge < edges.end, edges[edge].slot != 0 else { return nil }
            cipher.forget(mark(edges[edge].slot, client: isClient), edges[edge].records(client: isClient).suite)
            let progress = edges[edge][isUp: isReading == isClient].progress
            return isReading ? progress.readGeneration : progress.writeGeneration
        }
    }
}
