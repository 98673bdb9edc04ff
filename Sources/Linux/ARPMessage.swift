// ARP for IPv4 over Ethernet, as far as finding out who holds an address needs it.

package import Wire

/// An ARP packet for IPv4 over Ethernet (RFC 826). A value: taken from a frame, or made into one.
package struct ARPMessage: Hashable, Sendable {
    /// What it wants.
    package enum Operation: UInt16, Hashable, Sendable {
        case request = 1
        case reply = 2
    }

    package var operation: Operation
    /// Who speaks.
    package var senderMAC: MACAddress
    package var sender: IPv4Address
    package var targetMAC: MACAddress
    /// Who is asked for, or spoken to.
    package var target: IPv4Address

    /// Ethernet header and ARP packet, in octets; frames are padded beyond it.
    private static let length = 42

    package init(
        operation: Operation, senderMAC: MACAddress, sender: IPv4Address, targetMAC: MACAddress, target: IPv4Address
    ) {
        self.operation = operation
        self.senderMAC = senderMAC
        self.sender = sender
        self.targetMAC = targetMAC
        self.target = target
    }

    /// A question to everybody: who has `target`? Answers go to the asker.
    package static func question(for target: IPv4Address, from sender: IPv4Address, at mac: MACAddress) -> ARPMessage {
        ARPMessage(
            operation: .request, senderMAC: mac, sender: sender, targetMAC: MACAddress(0), target: target)
    }

    /// The frame, to everybody when it asks, else to whom it is addressed.
    package var frame: [UInt8] {
        let destination = operation == .request ? MACAddress.broadcast : targetMAC
        var frame = destination.octets + senderMAC.octets
        frame.append(bigEndian: UInt16(0x0806))
        // Hardware Ethernet, protocol IPv4, lengths 6 and 4.
        frame += [0x00, 0x01, 0x08, 0x00, 6, 4]
        frame.append(bigEndian: operation.rawValue)
        return frame + senderMAC.octets + sender.octets + targetMAC.octets + target.octets
    }

    /// Reads a frame; `nil` for whatever is no such packet.
    package init?(frame: [UInt8]) {
        guard frame.count >= Self.length, frame[12] == 0x08, frame[13] == 0x06,
            Array(frame[14..<20]) == [0x00, 0x01, 0x08, 0x00, 6, 4],
            let operation = Operation(rawValue: UInt16(frame[20]) << 8 | UInt16(frame[21]))
        else { return nil }
        func mac(_ at: Int) -> MACAddress { MACAddress(frame[at..<at + 6].reduce(0) { $0 << 8 | UInt64($1) }) }
        func address(_ at: Int) -> IPv4Address {
            IPv4Address(frame[at], frame[at + 1], frame[at + 2], frame[at + 3])
        }
        self.init(
            operation: operation, senderMAC: mac(22), sender: address(28), targetMAC: mac(32), target: address(38))
    }
}
