// `understudy release`: takes away virtual addresses that nobody serves any more.

import Failover
import Linux

/// The last net: systemd runs it after the daemon has ended, however it ended.
enum ReleaseCommand {
    static let subcommand = Understudy.Subcommand(
        name: "release", arguments: "", purpose: "remove virtual addresses that an ended daemon left behind", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.isEmpty else { return Understudy.wrongUsage("release takes no arguments", of: subcommand) }
        do {
            for address in try AddressSweep.run() { print("removed \(address.prefix)") }
            return Understudy.Status.done
        } catch {
            print("an address could not be removed: \(error)")
            return Understudy.Status.refused
        }
    }
}
