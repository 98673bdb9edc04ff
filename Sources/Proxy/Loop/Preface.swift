// What a loop keeps of a session outside its slot until the session is established.

/// Facts about the client, and what a server gets before the client's own bytes.
///
/// In memory of this process alone: a session that is not established does not outlive it. There is one only for sessions
/// that need it, so never more than slots; its head is at most a CONNECT of the listener's limit, what was put into it,
/// and a PROXY header of 500 bytes.
struct Preface {
    var facts = SessionFacts()
    /// The client ID as the device sent it, when servers see another.
    var original: [UInt8]?
    /// The PROXY header and the CONNECT (or what replaces it); empty: servers get the client's bytes from the first on.
    var head: [UInt8] = []
    /// Bytes of the head that the present server was given.
    var sent = 0
}
