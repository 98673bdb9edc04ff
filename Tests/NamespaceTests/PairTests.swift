// The promises about a pair, each measured with real brokers.

import Lab
import Testing

extension TwoHosts {
    @Suite("When the active host is lost", .serialized)
    struct HostLoss {
        @Test("a new CONNECT succeeds within half a second, and no split outlives the heal", .timeLimit(.minutes(4)))
        func cable() throws { try Setting.demand(.hostLoss) }

        @Test("a host that does not know it is cut off gives way at once when it is back", .timeLimit(.minutes(4)))
        func split() throws { try Setting.demand(.split) }

        @Test("after a long split the host that served goes on serving", .timeLimit(.minutes(4)))
        func longSplit() throws { try Setting.demand(.longSplit) }

        @Test("200 of 200 clients find their session, and the messages sent meanwhile", .timeLimit(.minutes(4)))
        func sessions() throws { try Setting.demand(.sessions) }

        @Test("a dead daemon leaves no address behind", .timeLimit(.minutes(4)))
        func crash() throws { try Setting.demand(.crash) }
    }

    @Suite("When a part of the network is lost", .serialized)
    struct Cuts {
        @Test("a host that lost its brokers gives the address to one that has them", .timeLimit(.minutes(4)))
        // A host hands over for its health at most once in 30 seconds: each may once.
        func brokers() throws { try Setting.demand(.brokersCut, runs: 2) }

        @Test("lost advertisements alone move nothing", .timeLimit(.minutes(4)))
        func adverts() throws { try Setting.demand(.advertsCut) }
    }

    @Suite("When the address is handed over", .serialized)
    struct HandOver {
        @Test("a step-down costs at most 50 ms", .timeLimit(.minutes(4)))
        func stepDown() throws { try Setting.demand(.stepDown) }

        @Test("over and straight back: the first host serves again", .timeLimit(.minutes(4)))
        func bounce() throws { try Setting.demand(.bounce) }

        @Test("a host that returns serves nobody before it knows its servers", .timeLimit(.minutes(4)))
        func failback() throws { try Setting.demand(.failback) }
    }

    @Suite("When a part of the daemon is hurt", .serialized)
    struct Processes {
        @Test("kill -9 of vip: served again within half a second", .timeLimit(.minutes(4)))
        func vip() throws { try Setting.demand(.killVip) }

        @Test("kill -9 of the balancer: accepts within 100 ms, and nobody reconnects", .timeLimit(.minutes(4)))
        func balancer() throws { try Setting.demand(.killBalancer) }

        @Test("balancers that die again and again: the other host takes the address", .timeLimit(.minutes(4)))
        func crashLoop() throws { try Setting.demand(.crashLoop, runs: 1) }

        @Test("SIGSTOP of the balancer: the other host serves within 1.5 s", .timeLimit(.minutes(4)))
        func stopped() throws { try Setting.demand(.stopBalancer) }

        @Test("kill -9 of the supervisor: nothing moves, and nobody reconnects", .timeLimit(.minutes(4)))
        func supervisor() throws { try Setting.demand(.killSupervisor) }

        @Test("kill -9 of everything's parent: no address is left behind", .timeLimit(.minutes(4)))
        func keeper() throws { try Setting.demand(.killKeeper) }

        @Test("another program on both hosts: nothing moves, and nobody reconnects", .timeLimit(.minutes(4)))
        func upgrade() throws { try Setting.demand(.upgrade, runs: 1) }
    }

    @Suite("When a broker dies", .serialized)
    struct Brokers {
        @Test("no new client is refused, and its clients go elsewhere", .timeLimit(.minutes(4)))
        func death() throws { try Setting.demand(.brokerDeath) }

        @Test("nor when it just falls silent", .timeLimit(.minutes(4)))
        func silence() throws { try Setting.demand(.brokerSilence) }
    }

    @Suite("Under load", .serialized)
    struct Load {
        @Test("5,000 clients at one time through one host", .timeLimit(.minutes(5)))
        func many() throws { try Setting.demand(.manyClients, runs: 1) }

        @Test("5,000 idle clients are all told when the address is handed over", .timeLimit(.minutes(5)))
        func handOver() throws { try Setting.demand(.crowdStepDown, runs: 1) }

        @Test("reloads ten times a second cost no client its connection, and no CONNECT fails", .timeLimit(.minutes(5)))
        func reloads() throws { try Setting.demand(.reloads, runs: 1) }

        @Test("a returning host fetches 100,000 sticky entries", .timeLimit(.minutes(8)))
        func resync() throws { try Setting.demand(.resync, runs: 1) }
    }
}
