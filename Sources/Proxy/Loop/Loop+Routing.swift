// Which backend a client's session goes to, once its CONNECT is whole.

import Balancing
import MQTT
import TLS
import Wire

extension Loop {
    /// The backend of a session's client, by the rules of its listener; touched once for each CONNECT, and only where a
    /// listener has rules.
    func route(_ index: UInt32, _ id: [UInt8], _ username: [UInt8], by routes: RouteTable) -> UInt32 {
        let known = facts[index]
        let handshake = known?.tls ?? (slots[index].edge == 0 ? nil : tls(index, client: true)?.facts)
        return routes.backend(
            clientID: id.span, username: username, serverName: known?.serverName ?? handshake?.serverName,
            certificateName: handshake?.certificate?.commonName, address: slots[index].peer)
    }
}
