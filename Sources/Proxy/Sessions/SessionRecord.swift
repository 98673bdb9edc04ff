// What is written down about one session: at its CONNACK, and at its end.

import Balancing
import Configuration
import Wire

/// One record about one session, as the loop saw it; text is made of it by the log's writer, never by the loop.
struct SessionRecord: Sendable {
    /// How it ended.
    struct End: Sendable {
        let cause: EndCause
        /// HAProxy's two letters.
        let termination: String
    }

    /// Sessions at that moment: of the process, the listener, the backend and the server; and servers tried in vain.
    struct Counts: Sendable {
        var all = 0
        var listener = 0
        var backend = 0
        var server = 0
        var retries = 0
    }

    /// `nil`: the session goes on.
    let end: End?
    /// Microseconds since 1970, of the record and of the accept.
    let time: Int64
    let accepted: Int64
    let peer: SocketAddress
    let listener: String
    let backend: String
    /// `nil`: it did not come to one.
    let server: String?
    let because: Choice.Because?
    let clientID: [UInt8]
    /// What the device sent as its client ID, when servers see another.
    let original: [UInt8]?
    /// MQTT protocol level; 0: there was no CONNECT.
    let level: UInt8
    let isCleanStart: Bool
    /// Seconds.
    let keepAlive: UInt16
    let facts: SessionFacts
    /// Code of the last CONNACK a server sent; `nil`: there was none.
    let connack: UInt8?
    let isSessionPresent: Bool
    let bytesUp: UInt64
    let bytesDown: UInt64
    /// Microseconds since the accept: the whole CONNECT, the way to the first server, the connection to the last one, its
    /// CONNACK; ``Slot/never``.
    let connectAfter: UInt32
    let triedAfter: UInt32
    let connectedAfter: UInt32
    let connackAfter: UInt32
    let counts: Counts
}
