// The application behind the brokers: publishes to devices, present or not.

import Linux
import MQTT
import Wire

/// Publishes QoS 1 to every client at every broker, not through the pair: only the broker that holds a client's session
/// knows its subscription, so that a message arrives when, and only when, the client comes back to that broker.
package final class Publisher {
    /// Unacknowledged messages at one broker at a time; MQTT has 65,535 identifiers.
    private static let window = 200

    /// Publishes `payload` to each client at each of the brokers, and waits for every PUBACK.
    package static func publish(
        _ payload: String, to clients: [LabClient], at brokers: [Broker], _ lab: Lab, limit: Duration = .seconds(20)
    ) throws(LabError) {
        for broker in brokers {
            var open = Set<UInt16>()
            var isAccepted = false
            var end: String?
            let draft = ConnectDraft(version: .v311, clientID: Array("publisher".utf8), keepAlive: 0)
            let connection = try kernel("publishing at \(broker.host.name)") { () throws(Errno) in
                try MQTTConnection(lab.bench, from: lab.client, to: broker.address, draft) { event in
                    switch event {
                    case .accepted: isAccepted = true
                    case .packet(.puback(let puback)): open.remove(puback.identifier)
                    case .packet: break
                    case .closed(let reason): end = reason
                    }
                }
            }
            defer { connection.close() }
            guard try lab.bench.wait(for: limit, { isAccepted || end != nil }), end == nil else {
                throw LabError("\(broker.host.name) does not let the publisher in: \(end ?? "silence")")
            }
            var identifier: UInt16 = 0
            for client in clients {
                guard try lab.bench.wait(for: limit, { open.count < window || end != nil }), end == nil else {
                    throw LabError("\(broker.host.name) does not acknowledge: \(end ?? "silence")")
                }
                identifier = identifier == .max ? 1 : identifier + 1
                open.insert(identifier)
                connection.send(
                    .publish(
                        Publish(
                            topic: Array(client.topic.utf8), payload: Array(payload.utf8), qos: 1,
                            identifier: identifier)))
            }
            guard try lab.bench.wait(for: limit, { open.isEmpty || end != nil }), end == nil else {
                throw LabError("\(broker.host.name) does not acknowledge: \(end ?? "silence")")
            }
            connection.send(.disconnect(Disconnect()))
        }
    }
}
