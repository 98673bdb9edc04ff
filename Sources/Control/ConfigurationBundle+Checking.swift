// From the bytes that were handed over to the configuration they mean.

package import Configuration
package import Wire

extension ConfigurationBundle {
    /// Reads and checks the files of the bundle, as the supervisor did before it handed them out.
    ///
    /// - Parameters:
    ///   - addresses: the host's own, by which it recognises itself when no node is named.
    ///   - judge: judges the files of tls blocks; `nil`: the supervisor has done that.
    ///   - readsLists: whether the files of access rules are read; a process that lets no clients in needs none.
    package func check(
        addresses: [IPAddress] = [], judge: TLSJudge? = nil, readsLists: Bool = true
    ) -> Checker.Outcome {
        guard let main = files.first else { preconditionFailure("a bundle has a main file") }
        return Checker.check(
            Source(name: main.path, bytes: main.bytes), as: Checker.Host(node: node, addresses: addresses),
            include: { path throws(IncludeFailure) in
                guard let file = self.file(at: path) else { throw IncludeFailure("the bundle does not have it") }
                return file.bytes
            }, judge: judge, readsLists: readsLists)
    }

    /// The configuration the bundle means.
    ///
    /// - Throws: ``MalformedMessage`` with the checker's messages: the other process checked something else.
    package func configuration() throws(MalformedMessage) -> Configuration {
        let outcome = check()
        guard let configuration = outcome.configuration else { throw MalformedMessage(outcome.text) }
        return configuration
    }
}
