// How to talk to a lab that stays up.

import Linux
import Wire

extension Lab {
    /// What `understudy lab up` prints.
    package var guide: String {
        let enter = "ip netns exec \(client.namespace)"
        let virtual = "\(LabNetwork.virtualAddress)"
        var lines = [
            "The pair serves \(virtual):1883. ^C removes everything.", "",
            "  a client:     \(enter) mosquitto_sub -h \(virtual) -i me -c -q 1 -t 'my/#' -v",
            "  a publisher:  \(enter) mosquitto_pub -h \(virtual) -q 1 -t my/topic -m hello",
        ]
        for proxy in proxies {
            guard let program = proxy.program else { continue }
            let process = program.process
            lines.append(
                "  \(proxy.host.name):          nsenter -t \(process) -m -n \(settings.program) status --config "
                    + "\(bench.directory)/understudy.conf")
        }
        for proxy in proxies {
            lines.append("  pull a cable: ip -n \(bench.prefix)br link set \(proxy.host.name) down    (and up)")
        }
        for broker in brokers {
            guard let program = broker.program else { continue }
            lines.append("  a broker:     kill \(program.process)    (mosquitto on \(broker.host.name))")
        }
        lines.append("  logs:         \(bench.directory)/*.log")
        return lines.joined(separator: "\n")
    }
}
