// Lists of networks in files of their own.

import Testing
import Wire

@testable import Configuration

@Suite("A list of networks in a file")
struct AccessFileTests {
    private static let main = """
        listen m { bind *:1883; use b; access deny file blocked.txt; access allow all }
        listen n { bind *:1884; use b; access deny file /srv/more.txt; access deny file blocked.txt }
        backend b { server s1 192.168.0.2:1883 }

        """

    private func check(_ files: [String: String]) -> Checker.Outcome {
        Checker.check(Source(name: "/etc/understudy/main.conf", text: Self.main), as: Host()) {
            path throws(IncludeFailure) in
            guard let text = files[path] else { throw IncludeFailure("No such file or directory") }
            return Array(text.utf8)
        }
    }

    private static let blocked = """
        # Known troublemakers
        10.0.0.0/8   # all of them
        192.0.2.7\r

        \t2001:db8::/32
        """

    @Test func `is read from the directory of the file that names it, once`() throws {
        let outcome = check(["/etc/understudy/blocked.txt": Self.blocked, "/srv/more.txt": ""])
        #expect(outcome.text == "")
        let configuration = try #require(outcome.configuration)
        let networks = configuration.listeners.map { $0.admission.access.map(\.networks.count) }
        #expect(networks == [[3, 2], [0, 3]])
        #expect(
            outcome.sources.map(\.name) == [
                "/etc/understudy/main.conf", "/etc/understudy/blocked.txt", "/srv/more.txt",
            ])
        #expect(configuration.text.contains("access deny file blocked.txt"))
    }

    /// A process that lets no clients in needs to know none of them.
    @Test func `is not asked for where nobody needs it`() throws {
        let outcome = Checker.check(
            Source(name: "main.conf", text: Self.main), as: Host(),
            include: { path throws(IncludeFailure) in throw IncludeFailure("\(path) was asked for") }, readsLists: false)
        #expect(outcome.text == "")
        let listeners = try #require(outcome.configuration?.listeners)
        #expect(listeners.map { $0.admission.access.map(\.networks.count) } == [[0, 2], [0, 0]])
    }

    @Test func `that is missing is an error where it is named, once`() {
        let outcome = check(["/srv/more.txt": "10.0.0.1"])
        #expect(outcome.configuration == nil)
        #expect(
            outcome.text == """
                /etc/understudy/main.conf:1:49: error: cannot read /etc/understudy/blocked.txt: No such file or directory
                    1 | listen m { bind *:1883; use b; access deny file blocked.txt; access allow all }
                      |                                                 ^~~~~~~~~~~

                """)
    }

    @Test func `tells its mistakes line by line`() {
        let outcome = check([
            "/etc/understudy/blocked.txt": "10.0.0.0/8\n10.0.0.0/33\nhost.example\n10.0.0.1 10.0.0.2\n",
            "/srv/more.txt": "",
        ])
        #expect(
            outcome.text == """
                /etc/understudy/blocked.txt:2:1: error: "10.0.0.0/33" has a wrong prefix length
                    2 | 10.0.0.0/33
                      | ^~~~~~~~~~~
                      = write /0 to /32 behind the address

                /etc/understudy/blocked.txt:3:1: error: "host.example" is not an IP address
                    3 | host.example
                      | ^~~~~~~~~~~~
                      = write an address such as 10.0.0.10/24 or 2001:db8::10/64

                /etc/understudy/blocked.txt:4:10: error: more than one word in a line
                    4 | 10.0.0.1 10.0.0.2
                      |          ^~~~~~~~
                      = write one network in each line; # begins a comment

                """)
    }

    @Test func `that is no list tells so a few times, and not for each line`() {
        let outcome = check([
            "/etc/understudy/blocked.txt": String(repeating: "<html>\n", count: 5000), "/srv/more.txt": "",
        ])
        #expect(outcome.diagnostics.count == SourceLimits.listMistakes)
    }

    @Test func `shows in the difference when it changed`() throws {
        let files = ["/etc/understudy/blocked.txt": Self.blocked, "/srv/more.txt": ""]
        let old = try #require(check(files).configuration)
        var changed = files
        changed["/etc/understudy/blocked.txt"] = "10.0.0.0/8\n10.1.0.0/16\n"
        let new = try #require(check(changed).configuration)
        #expect(
            Configuration.Difference(from: old, to: new).text == """
                listen m: blocked.txt lists 1 networks more and 2 fewer than before (applies to new sessions)
                listen n: blocked.txt lists 1 networks more and 2 fewer than before (applies to new sessions)

                """)
        #expect(Configuration.Difference(from: old, to: old).isEmpty)
    }
}
