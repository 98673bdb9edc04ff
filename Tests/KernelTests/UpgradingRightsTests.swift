// Upgrades with the rights that the shipped unit leaves, and with a /proc that hides other users' processes.

import Linux
import Testing
import Wire

@Suite(
    "Upgrading with the unit's rights", .enabled(if: canMakeNamespaces, "needs root for a /proc of its own"), .serialized)
struct UpgradingRightsTests {
    /// What becomes the daemon: the unit's bounding set, no new privileges, `ProtectProc=invisible`.
    private static func launcher() throws -> [String] {
        let unit = String(decoding: try File.read("systemd/understudy.service", limit: 65_536), as: UTF8.self)
        let line = try #require(unit.split(separator: "\n").first { $0.hasPrefix("CapabilityBoundingSet=CAP_") })
        #expect(unit.contains("ProtectProc=invisible") && unit.contains("NoNewPrivileges=yes"))
        let rights = line.dropFirst("CapabilityBoundingSet=".count).split(separator: " ").map {
            "+" + $0.dropFirst("CAP_".count).lowercased()
        }
        let set = (["-all"] + rights).joined(separator: ",")
        return [
            "/usr/bin/unshare", "-m", "/bin/sh", "-c",
            "mount -t proc -o hidepid=invisible proc /proc && exec setpriv --no-new-privs --bounding-set '\(set)' \"$@\"", "sh",
        ]
    }

    @Test("a good program is known to be the new one")
    func good() throws {
        let workshop = try UpgradingTests.Workshop()
        let program = try workshop.build("one")
        let scene = try UpgradingTests.Scene(launcher: try Self.launcher())
        let answer = try scene.upgrade(program)
        #expect(answer["ok"] == true, "\(answer.text) \(scene.daemon.log)")
        #expect(try scene.programs() == [program], "\(scene.daemon.log)")
        try scene.finish()
    }

    @Test("a bad program that was replaced by the known one is not called an upgrade", arguments: ["exit 1", "exec sleep 60"])
    func bad(started: String) throws {
        let workshop = try UpgradingTests.Workshop()
        let program = try workshop.script("bad", "if [ \"$1\" = layout ]; then exec \"$REAL\" \"$@\"; fi\n\(started)")
        let scene = try UpgradingTests.Scene(launcher: try Self.launcher())
        let answer = try scene.upgrade(program)
        #expect(answer["ok"] == false, "\(answer.text) \(scene.daemon.log)")
        #expect(answer["error"]?.string?.contains("did not take over") == true, "\(answer.text)")
        try scene.daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            return try scene.daemon.balancer()["phase"] == "serving" && scene.programs() == scene.known
        }
        try scene.finish()
    }
}
