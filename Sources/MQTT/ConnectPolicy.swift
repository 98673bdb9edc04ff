// What a listener accepts as a CONNECT where the specification leaves a choice.

/// The choices a listener has in reading CONNECT.
package struct ConnectPolicy: Sendable, BitwiseCopyable {
    /// The longest CONNECT accepted, in bytes with its fixed header. An honest one of 3.1.1 can reach 328 kB.
    package var maximumLength: Int
    /// Whether mosquitto's and NanoMQ's bridges (protocol level with bit 7 set) may connect.
    package var acceptsBridges: Bool
    /// Whether control characters and noncharacters may stand in strings; mosquitto and EMQX refuse them
    /// (MQTT 5.0, 1.5.4: a receiver may).
    package var acceptsControlCharacters: Bool

    package init(maximumLength: Int = 65_536, acceptsBridges: Bool = true, acceptsControlCharacters: Bool = false) {
        self.maximumLength = maximumLength
        self.acceptsBridges = acceptsBridges
        self.acceptsControlCharacters = acceptsControlCharacters
    }

    var text: UTF8Rule { UTF8Rule(allowsControls: acceptsControlCharacters) }
}
