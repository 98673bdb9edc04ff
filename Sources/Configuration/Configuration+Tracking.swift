// What a virtual router depends on besides its own interface, as the file says it.

package import Wire

extension Configuration {
    /// What it means that something tracked is not well.
    package enum TrackEffect: Hashable, Sendable {
        /// The router takes no part.
        case fault
        /// The priority changes: -253...253 without 0. A positive weight is added while it is well, a negative one while
        /// it is not.
        case weight(Int)

        /// What `weight N` means; 0 and nothing are a fault.
        init(weight: Int?) { self = weight.flatMap { $0 == 0 ? nil : .weight($0) } ?? .fault }
    }

    /// `track …`: one thing a virtual router depends on.
    package struct Track: Hashable, Sendable {
        /// What is looked at.
        package enum Subject: Hashable, Sendable {
            /// An interface, which must be up.
            case interface(String)
            /// A backend, which must have so many usable servers.
            case servers(backend: String, minimum: Int)
            /// A file with a number: 0, or no file, is well.
            case file(String)
            /// A `script` of this file, by its name.
            case script(String)
        }

        package var subject: Subject
        package var effect: TrackEffect
        /// How long a change for the better must last; for interfaces that flap.
        package var upDelay: Duration
        /// How long a change for the worse must last.
        package var downDelay: Duration

        package init(
            _ subject: Subject, _ effect: TrackEffect = .fault, upDelay: Duration = .zero, downDelay: Duration = .zero
        ) {
            self.subject = subject
            self.effect = effect
            self.upDelay = upDelay
            self.downDelay = downDelay
        }
    }

    /// `without-servers …`: what it means that no backend has a usable server.
    package enum WithoutServers: Hashable, Sendable {
        /// Nothing.
        case ignored
        case effect(TrackEffect)

        /// Lower than every host that has a server, and still somebody who answers.
        package static let usual = WithoutServers.effect(.weight(-253))
    }

    /// `witness ADDRESS [required]`.
    package struct Witness: Hashable, Sendable {
        /// Something else on the network that answers, such as the gateway.
        package var address: IPAddress
        /// A backup claims an address from silence only while it answers.
        package var isRequired: Bool

        package init(address: IPAddress, isRequired: Bool) {
            self.address = address
            self.isRequired = isRequired
        }
    }

    /// Everything a virtual router watches besides its own interface.
    package struct Tracking: Hashable, Sendable {
        /// Most `track` directives of one router.
        package static let maximumTracks = 48

        package var tracks: [Track] = []
        package var withoutServers = WithoutServers.usual
        /// How long a link that has just come up is given before silence on it means anything; zero: not at all.
        package var settle: Duration = .zero
        package var witness: Witness?
        /// How often an active router asks whether somebody else holds its addresses; `nil`: never.
        package var duplicateProbe: Duration? = .seconds(5)

        package init() {}

        /// The interfaces that are tracked.
        package var interfaces: [String] {
            tracks.compactMap { if case .interface(let name) = $0.subject { name } else { nil } }
        }
        /// The backends that are tracked.
        package var backends: [String] {
            tracks.compactMap { if case .servers(let name, _) = $0.subject { name } else { nil } }
        }
    }

    /// `script NAME { … }`: a program that is run again and again, and says by its exit status whether all is well.
    package struct ScriptSettings: Hashable, Sendable {
        /// Most arguments of one.
        package static let maximumArguments = 32

        package var name: String
        /// The absolute path of the program.
        package var command: String
        /// Its arguments, without its name. No shell reads them.
        package var arguments: [String] = []
        /// From the start of one run to the start of the next.
        package var interval: Duration = .seconds(1)
        /// A run that takes longer is killed, and has failed.
        package var timeout: Duration = .seconds(1)
        /// Successes in a row that are believed: 1...100.
        package var rise: Int = 1
        /// Failures in a row that are believed: 1...100.
        package var fall: Int = 1
        /// Whom it runs as; `nil`: keepalived_script where there is one, else nobody.
        package var user: String?

        package init(name: String, command: String = "") {
            self.name = name
            self.command = command
        }
    }

    /// The backends whose servers some virtual router counts, each once.
    package var trackedBackends: [String] {
        var names: [String] = []
        for name in routers.flatMap(\.tracking.backends) where !names.contains(name) { names.append(name) }
        return names
    }
}
