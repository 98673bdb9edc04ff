// Which backend a client's session goes to, once its CONNECT is whole.

import Balancing
import MQTT
import TLS
import Wire

extension Loop {
    /// The backend of a session's client, by the rules of its listener; touched once for each CONNECT, and only where a
    /// listener has rules.
    func route(_ index: UInt32, _ id: [UInt8], _ known: SessionFacts, by routes: RouteTable) -> UInt32 {
        routes.backend(
            clientID: id.span, username: known.username, serverName: known.serverName ?? known.tls?.serverName,
            certificateName: known.tls?.certificate?.commonName, address: slots[index].peer)
    }
}
