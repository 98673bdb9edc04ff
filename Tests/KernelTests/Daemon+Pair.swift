// A daemon that has another host to replicate to.

import Linux
import TLS

extension Daemon {
    /// A daemon of two nodes, the other one absent, with a fresh pair secret in its directory's `pair.key`.
    ///
    /// - Parameter port: of the pair link, another one for each test.
    static func ofPair(port: UInt16) throws -> Daemon {
        try Daemon {
            $0 + """
                node lb1 { address 127.0.0.1 }
                node lb2 { address 127.9.9.9 }
                pair { secret DIRECTORY/pair.key; port \(port) }

                """
        } prepare: { directory in
            let file = try File.read("\(directory)/understudy.conf", limit: 65_536)
            let text = String(decoding: file, as: UTF8.self).replacing("DIRECTORY", with: directory)
            try FileTree.write("\(directory)/understudy.conf", Array(text.utf8))
            try FileTree.write("\(directory)/pair.key", PairSecret.generate().fileContents, mode: 0o600)
        }
    }
}
