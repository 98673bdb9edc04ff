// Debian's keepalived as the other router on a lab's host.

import Glibc
import Linux
import Wire

/// keepalived with one virtual router that matches the lab's configuration.
package final class Keepalived {
    private static let endLimit: Duration = .seconds(10)

    package let host: Host
    private let bench: Workbench
    private let network: LabNetwork
    private var program: Program?

    /// - Parameter host: where it runs, instead of our daemon.
    package init(on host: Host, in lab: Lab) {
        self.host = host
        bench = lab.bench
        network = lab.network
    }

    /// Starts it as version 3, preempting, at the lab's interval.
    ///
    /// - Parameter peer: our host: the destination of its adverts when they are unicast.
    package func start(priority: Int, peer: Host, _ settings: LabSettings) throws(LabError) {
        let path = "\(bench.directory)/keepalived.conf"
        let unicast =
            settings.transport == "unicast"
            ? "unicast_src_ip \(host.address)\n    unicast_peer { \(peer.address) }" : ""
        let text = """
            global_defs {
                vrrp_version 3
                script_user root
            }
            vrrp_instance mqtt {
                state BACKUP
                version 3
                interface eth0
                virtual_router_id 51
                priority \(priority)
                advert_int \(settings.advertInterval.milliseconds / 1000)
                \(unicast)
                virtual_ipaddress {
                    \(LabNetwork.virtualAddress)/24
                }
            }

            """
        try kernel("writing \(path)") { () throws(Errno) in try FileTree.write(path, Array(text.utf8)) }
        let files = "\(bench.directory)/keepalived"
        program = try bench.start(
            [
                "ip", "netns", "exec", host.namespace, "keepalived", "--dont-fork", "--log-console", "--log-detail",
                "--vrrp", "--use-file", path, "--pid", "\(files).pid", "--vrrp_pid", "\(files)-vrrp.pid",
            ], log: "keepalived.log")
    }

    /// Asks it to end; it sends priority 0.
    ///
    /// - Returns: when.
    package func stop() throws(LabError) -> Moment {
        guard let program else { throw LabError("keepalived does not run") }
        let moment = Moment.around { program.signal(SIGTERM) }
        guard try bench.wait(for: Self.endLimit, { program.ending != nil }) else {
            throw LabError("keepalived does not end")
        }
        self.program = nil
        return moment
    }

    /// Whether it still runs.
    package var isRunning: Bool { program.map { $0.ending == nil } ?? false }

    /// Whether the kernel of its host shows the virtual address.
    package func holdsAddress() throws(LabError) -> Bool { try network.holds(host, LabNetwork.virtualAddress) }

    /// What it wrote.
    package var log: String {
        (try? File.read("\(bench.directory)/keepalived.log", limit: 16 << 20))
            .map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
