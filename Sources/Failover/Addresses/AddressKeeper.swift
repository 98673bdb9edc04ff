// The addresses of one virtual router on the kernel: claimed, read back, renewed, released, announced.

import Glibc
import Linux
import VRRP
import Wire

/// Does for one router what concerns addresses, on every interface they live on, and remembers what the kernel showed.
///
/// Decides nothing: when to claim and to release is the state machine's word.
final class AddressKeeper {
    /// What has been counted.
    struct Counters {
        /// Renewals of an address's lifetime.
        var renewals: UInt64 = 0
        /// Renewals the kernel refused.
        var renewalFailures: UInt64 = 0
        /// Announcements the kernel refused to send.
        var announcementFailures: UInt64 = 0
    }

    /// What a look at the kernel found besides the addresses.
    struct Look {
        /// An interface of the addresses has another MAC address, or its link came up.
        var isDeviceRenewed = false
    }

    var counters = Counters()
    /// What the kernel showed at the last look, on every interface of the router.
    private(set) var shown: [InterfaceAddress] = []

    private var claimed: [VirtualAddress]
    private var devices: [String: Interface] = [:]
    /// The router's own interface, looked at in any case.
    private let home: String
    private let netlink: Netlink
    private let announcer: Announcer

    init(_ addresses: [VirtualAddress], home: String, netlink: Netlink, announcer: Announcer) {
        claimed = addresses.filter(\.isClaimed)
        self.home = home
        self.netlink = netlink
        self.announcer = announcer
    }

    // MARK: Looking

    /// Takes in what the kernel shows now of the interfaces and, asked here, of their addresses.
    ///
    /// - Throws: what the kernel refused; what was known before still counts then.
    func look(_ interfaces: [Interface]) throws(Errno) -> Look {
        var found: [String: Interface] = [:]
        var look = Look()
        for interface in interfaces where interface.name == home || claimed.contains(where: { $0.device == interface.name }) {
            found[interface.name] = interface
            guard let before = devices[interface.name], before.index == interface.index else { continue }
            if before.mac != interface.mac || (interface.isReady && !before.isReady) { look.isDeviceRenewed = true }
        }
        let addresses = try addresses(of: found)
        devices = found
        shown = addresses
        return look
    }

    private func addresses(of devices: [String: Interface]) throws(Errno) -> [InterfaceAddress] {
        var addresses: [InterfaceAddress] = []
        for (_, device) in devices { addresses += try netlink.addresses(on: device.index) }
        return addresses
    }

    /// Whether the kernel showed the address at the last look, on its interface and usable. What is not put on an
    /// interface is not shown.
    func isShown(_ address: VirtualAddress) -> Bool {
        guard address.isClaimed, let device = devices[address.device] else { return false }
        return shown.contains { $0.index == device.index && $0.prefix.address == address.address && $0.isUsable }
    }

    /// Whether there are addresses to be shown, and all of them are.
    var holdsAll: Bool { !claimed.isEmpty && missing == nil }

    /// An address that should be shown and is not.
    var missing: VirtualAddress? { claimed.first { !isShown($0) } }

    // MARK: Changing

    /// Lives by another list; what is not on it any more is released.
    ///
    /// - Throws: the last refusal, after everything was tried.
    func follow(_ addresses: [VirtualAddress]) throws(Errno) {
        let new = addresses.filter(\.isClaimed)
        // An address under another label or prefix is another one for the kernel.
        let dropped = claimed.filter { old in
            !new.contains { $0.prefix == old.prefix && $0.device == old.device && $0.label == old.label }
        }
        claimed = new
        try release(dropped)
    }

    /// Makes the kernel show all addresses, and reads them back.
    ///
    /// - Throws: the kernel's errno; `ENODEV` when an interface is not there; `EADDRNOTAVAIL` when the kernel said yes and
    ///   does not show a usable address.
    func claim() throws(Errno) {
        for address in claimed { try netlink.put(try request(for: address)) }
        shown = try addresses(of: devices)
        if let missing { throw Errno(EADDRNOTAVAIL, "RTM_NEWADDR \(missing.prefix): not shown afterwards") }
    }

    /// Tells the kernel that the addresses it shows are still wanted.
    ///
    /// - Returns: the last refusal.
    func renew() -> Errno? {
        var refusal: Errno?
        for address in claimed where isShown(address) {
            do throws(Errno) {
                try netlink.put(try request(for: address))
                counters.renewals += 1
            } catch {
                counters.renewalFailures += 1
                refusal = error
            }
        }
        return refusal
    }

    /// Makes the kernel show none of the addresses.
    ///
    /// - Throws: the last refusal, after everything was tried.
    func release() throws(Errno) {
        try release(claimed)
        shown = try addresses(of: devices)
    }

    private func release(_ addresses: [VirtualAddress]) throws(Errno) {
        var refusal: Errno?
        // An interface that is gone shows no addresses.
        for address in addresses {
            guard let device = devices[address.device] else { continue }
            do throws(Errno) {
                try netlink.release(address.address, on: device.index)
            } catch {
                if error.code != ENODEV { refusal = error }
            }
        }
        if let refusal { throw refusal }
    }

    private func request(for address: VirtualAddress) throws(Errno) -> AddressRequest {
        guard let device = devices[address.device] else {
            throw Errno(ENODEV, "RTM_NEWADDR \(address.prefix) on \(address.device)")
        }
        var request = AddressRequest(address.prefix, on: device.index)
        request.label = address.label
        request.validLifetime = AddressLease.seconds
        if let preferred = address.preferredLifetime {
            request.preferredLifetime = UInt32(clamping: preferred.wholeMilliseconds / 1000)
        }
        request.addsPrefixRoute = !shown.contains { other in
            other.index == device.index && other.isPermanent && other.hasPrefixRoute
                && other.prefix.length == address.prefix.length && other.prefix.contains(address.address)
                && other.prefix.address != address.address
        }
        return request
    }

    // MARK: Announcing

    /// Tells the neighbours on each interface once where its addresses live.
    func announce() {
        for address in claimed {
            guard let device = devices[address.device] else { continue }
            announce(address.address, on: device)
        }
    }

    /// Tells the neighbours on an interface once where an address lives.
    func announce(_ address: IPAddress, on device: Interface) {
        do throws(Errno) {
            try announcer.announce(address, on: device, isRouter: address.family == .ipv6 && device.forwardsIPv6)
        } catch {
            counters.announcementFailures += 1
        }
    }
}
