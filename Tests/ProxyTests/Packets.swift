// Packets that the tests of this target share.

import MQTT

/// Bytes of a client ID.
func id(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A CONNECT.
func connect(
    _ clientID: String, _ version: ProtocolVersion = .v311, keepAlive: UInt16 = 0, username: [UInt8]? = nil,
    properties: Properties = Properties()
) throws -> [UInt8] {
    var draft = ConnectDraft(version: version, clientID: id(clientID), keepAlive: keepAlive)
    draft.username = username
    draft.properties = properties
    return try draft.encode()
}

/// CONNACK 0.
func accepted(_ version: ProtocolVersion = .v311) -> [UInt8] {
    version == .v5 ? [0x20, 3, 0, 0, 0] : [0x20, 2, 0, 0]
}

/// A CONNACK that refuses: a return code in 3.x, a reason code in 5.0.
func refused(_ code: UInt8, _ version: ProtocolVersion = .v311) -> [UInt8] {
    version == .v5 ? [0x20, 3, 0, code, 0] : [0x20, 2, 0, code]
}

let pingreq: [UInt8] = [0xC0, 0]
