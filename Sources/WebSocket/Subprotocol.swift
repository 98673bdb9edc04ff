// What is spoken inside a WebSocket: MQTT, under its present name or its old one.

/// A subprotocol (MQTT 5.0, 6): the client must offer `mqtt`; clients from before 3.1.1 offer `mqttv3.1`.
///
/// In the order of our preference. The bytes are the same.
package enum Subprotocol: String, CaseIterable, Sendable {
    case mqtt
    case mqttv31 = "mqttv3.1"
}
