// What a loop keeps of a session outside its slot until the session is established.

/// What a server gets before the client's own bytes, and where it comes from.
///
/// In memory of this process alone: a session that is not established does not outlive it. There is one only for sessions
/// that need it, so never more than slots; its head is at most a CONNECT of the listener's limit, what was put into it,
/// and a PROXY header of 500 bytes.
struct Preface {
    /// The client ID as the device sent it, when servers see another.
    var original: [UInt8]?
    /// The CONNECT that replaces the client's.
    var connect: [UInt8]?
    /// The PROXY header.
    var greeting: [UInt8] = []
    /// What goes before the client's own bytes, after TLS and WebSocket with the server where it speaks them: the PROXY
    /// header where it does not, and the CONNECT. Empty: servers get the client's bytes from the first on.
    var head: [UInt8] = []
    /// Bytes of the head that the present server was given.
    var sent = 0
}
