// The directive table: what a virtual router depends on, and the scripts that may tell it.

import Wire

extension Directive {
    private static let delays = Duration.zero ... .seconds(3600)
    private static let intervals = Duration.milliseconds(100) ... .seconds(3600)

    // MARK: in vrrp

    static let trackingDirectives = [
        trackInterface, trackServers, trackFile, trackScript, withoutServers, settle, witness, duplicateProbe,
    ]

    private static let weightOption = Syntax.Option(
        "weight", ("N", .signed(-253...253)), default: "0",
        "changes the priority instead of taking the router out: added while well, or when negative while not; 0 is a fault")

    static let trackInterface = Directive(
        "track interface", in: .vrrp, .repeatable(required: false),
        .sequence([
            .value("INTERFACE", .interface),
            .options([
                weightOption,
                .init(
                    "up", ("DURATION", .duration(delays, step: .milliseconds(1))), default: "0s",
                    "how long it must have been up again"),
                .init(
                    "down", ("DURATION", .duration(delays, step: .milliseconds(1))), default: "0s",
                    "how long it must have been down"),
            ]),
        ]),
        "Another interface that must be up for this node to hold the address.",
        reload: .inPlace, foreign: ["track_interface", "interface_up_down_delays"],
        apply: { configuration, arguments in
            guard let name = arguments.text("INTERFACE") else { return }
            add(
                Configuration.Track(
                    .interface(name), effect(arguments), upDelay: arguments.duration("up") ?? .zero,
                    downDelay: arguments.duration("down") ?? .zero), to: &configuration)
        },
        show: { configuration, index in
            configuration.routers[index].tracking.tracks.compactMap { track in
                guard case .interface(let name) = track.subject else { return nil }
                return name + weight(track.effect)
                    + (track.upDelay > .zero ? " up \(track.upDelay.text)" : "")
                    + (track.downDelay > .zero ? " down \(track.downDelay.text)" : "")
            }
        })

    static let trackServers = Directive(
        "track servers", in: .vrrp, .repeatable(required: false),
        .sequence([
            .value("BACKEND", .reference("backend")),
            .options([
                .init("at-least", ("N", .integer(1...10_000)), default: "1", "usable servers that are enough"),
                weightOption,
            ]),
        ]),
        "A backend that must have usable servers for this node to hold the address.",
        reload: .inPlace,
        apply: { configuration, arguments in
            guard let name = arguments.text("BACKEND") else { return }
            let minimum = arguments.integer("at-least") ?? 1
            add(
                Configuration.Track(.servers(backend: name, minimum: minimum), effect(arguments)), to: &configuration)
        },
        show: { configuration, index in
            configuration.routers[index].tracking.tracks.compactMap { track in
                guard case .servers(let name, let minimum) = track.subject else { return nil }
                return "\(name) at-least \(minimum)" + weight(track.effect)
            }
        })

    static let trackFile = Directive(
        "track file", in: .vrrp, .repeatable(required: false),
        .sequence([.value("FILE", .path(maximum: 4095)), .options([weightOption])]),
        "A file with a number: 0 or no file is well; with a weight the priority changes by the weight times the number.",
        reload: .inPlace, foreign: ["track_file", "vrrp_track_file"],
        apply: { configuration, arguments in
            guard let path = arguments.text("FILE") else { return }
            add(Configuration.Track(.file(path), effect(arguments)), to: &configuration)
        },
        show: { configuration, index in
            configuration.routers[index].tracking.tracks.compactMap { track in
                guard case .file(let path) = track.subject else { return nil }
                return written(path) + weight(track.effect)
            }
        })

    static let trackScript = Directive(
        "track script", in: .vrrp, .repeatable(required: false),
        .sequence([.value("SCRIPT", .reference("script")), .options([weightOption])]),
        "A script of this file that must succeed for this node to hold the address.",
        reload: .inPlace, foreign: ["track_script"],
        apply: { configuration, arguments in
            guard let name = arguments.text("SCRIPT") else { return }
            add(Configuration.Track(.script(name), effect(arguments)), to: &configuration)
        },
        show: { configuration, index in
            configuration.routers[index].tracking.tracks.compactMap { track in
                guard case .script(let name) = track.subject else { return nil }
                return name + weight(track.effect)
            }
        })

    static let withoutServers = Directive(
        "without-servers", in: .vrrp, .optional,
        .either([
            "ignored", "fault",
            .sequence(["weight", .value("N", .signed(-253...253, refused: [0: "it changes nothing; write: without-servers ignored"]))]),
        ]), default: "weight -253",
        "What it means that no backend has a usable server here: by default the other host, when it has one, takes over.",
        reload: .inPlace,
        apply: { configuration, arguments in
            let meaning: Configuration.WithoutServers =
                arguments.has("ignored") ? .ignored : .effect(.init(weight: arguments.integer("N")))
            configuration.routers.newest.tracking.withoutServers = meaning
        },
        show: { configuration, index in
            switch configuration.routers[index].tracking.withoutServers {
            case .ignored: ["ignored"]
            case .effect(.fault): ["fault"]
            case .effect(.weight(let weight)): ["weight \(weight)"]
            }
        })

    static let settle = Directive(
        "settle", in: .vrrp, .optional, .value("DURATION", .duration(delays, step: .milliseconds(1))), default: "0s",
        "How long a link that has just come up is given, for spanning trees and bonds, before silence on it means anything.",
        reload: .inPlace, foreign: ["vrrp_startup_delay", "vrrp_delay_after_boot"],
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.routers.newest.tracking.settle)
        },
        show: { configuration, index in [configuration.routers[index].tracking.settle.text] })

    static let witness = Directive(
        "witness", in: .vrrp, .optional,
        .sequence([
            .value("ADDRESS", .address),
            .options([
                .init("required", nil, "a backup takes over from silence only while the witness answers")
            ]),
        ]),
        "Something else that answers on the network, such as the gateway: it shows that silence is not our own isolation.",
        reload: .inPlace,
        apply: { configuration, arguments in
            guard let address = arguments.address("ADDRESS") else { return }
            configuration.routers.newest.tracking.witness = Configuration.Witness(
                address: address, isRequired: arguments.has("required"))
        },
        show: { configuration, index in
            configuration.routers[index].tracking.witness.map {
                ["\($0.address)" + ($0.isRequired ? " required" : "")]
            } ?? []
        })

    static let duplicateProbe = Directive(
        "duplicate-probe", in: .vrrp, .optional,
        .either(["off", .value("DURATION", .duration(intervals, step: .milliseconds(1)))]), default: "5s",
        "How often the active node asks by ARP or neighbour discovery whether somebody else holds its addresses.",
        reload: .inPlace,
        apply: { configuration, arguments in
            configuration.routers.newest.tracking.duplicateProbe = arguments.duration("DURATION")
        },
        show: { configuration, index in [configuration.routers[index].tracking.duplicateProbe?.text ?? "off"] })

    // MARK: script

    static let scriptDirectives = [
        scriptCommand, scriptArgument, scriptUser, scriptEvery, scriptTimeout, scriptRise, scriptFall,
    ]

    static let script = Directive(
        "script", in: .top, .repeatable(required: false), .value("NAME", .name), opens: .script,
        "A program that is run again and again and says by its exit status whether all is well; for track script.",
        reload: .inPlace, foreign: ["vrrp_script"],
        apply: { configuration, arguments in
            configuration.scripts.append(.init(name: arguments.text("NAME") ?? ""))
        },
        show: { configuration, _ in configuration.scripts.map(\.name) })

    static let scriptCommand = Directive(
        "command", in: .script, .required, .value("FILE", .path(maximum: 4095)),
        "The program; it and its directories belong to root, and nobody else may write there.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.text("FILE"), to: &configuration.scripts.newest.command)
        },
        show: { configuration, index in [written(configuration.scripts[index].command)] })

    static let scriptArgument = Directive(
        "argument", in: .script, .repeatable(required: false), .value("TEXT", .file),
        "An argument of the program, given to it as it stands; no shell reads it.",
        reload: .inPlace,
        apply: { configuration, arguments in
            if let text = arguments.text("TEXT") { configuration.scripts.newest.arguments.append(text) }
        },
        show: { configuration, index in configuration.scripts[index].arguments.map(written) })

    static let scriptUser = Directive(
        "user", in: .script, .optional, .value("NAME", .account), default: "keepalived_script where there is one, else nobody",
        "The user and group the program runs as.",
        reload: .inPlace, foreign: ["script_user"],
        apply: { configuration, arguments in configuration.scripts.newest.user = arguments.text("NAME") },
        show: { configuration, index in [configuration.scripts[index].user.map(written) ?? ""].filter { !$0.isEmpty } })

    static let scriptEvery = Directive(
        "every", in: .script, .optional, .value("DURATION", .duration(intervals, step: .milliseconds(1))),
        default: "1s",
        "The time from the start of one run to the start of the next; a run that is not over is waited for.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.scripts.newest.interval)
        },
        show: { configuration, index in [configuration.scripts[index].interval.text] })

    static let scriptTimeout = Directive(
        "timeout", in: .script, .optional, .value("DURATION", .duration(intervals, step: .milliseconds(1))),
        default: "1s",
        "How long a run may take; then it is killed, and has failed.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.scripts.newest.timeout)
        },
        show: { configuration, index in [configuration.scripts[index].timeout.text] })

    static let scriptRise = Directive(
        "rise", in: .script, .optional, .value("N", .integer(1...100)), default: "1",
        "How many successes in a row are believed.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.scripts.newest.rise)
        },
        show: { configuration, index in [String(configuration.scripts[index].rise)] })

    static let scriptFall = Directive(
        "fall", in: .script, .optional, .value("N", .integer(1...100)), default: "1",
        "How many failures in a row are believed; what cannot run has failed.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.scripts.newest.fall)
        },
        show: { configuration, index in [String(configuration.scripts[index].fall)] })

    // MARK: Helpers

    private static func effect(_ arguments: Arguments) -> Configuration.TrackEffect {
        .init(weight: arguments.integer("weight"))
    }

    private static func weight(_ effect: Configuration.TrackEffect) -> String {
        if case .weight(let weight) = effect { " weight \(weight)" } else { "" }
    }

    private static func add(_ track: Configuration.Track, to configuration: inout Configuration) {
        configuration.routers.newest.tracking.tracks.append(track)
    }
}
