// The balancer as one of a row: what it takes over, and what it leaves behind.

import Configuration
import Control
import Linux
import Telemetry
import Wire

extension BalancerProcess {
    /// The supervisor takes this process for its balancer.
    func welcomed() {
        isWelcome = true
        Chaos.point(.welcomed)
    }

    /// Ends here, so that another program goes on with everything: what a death does, wanted.
    func handOver(to program: String) {
        do throws(Errno) {
            try survival.hand(to: program)
        } catch {
            // The supervisor notices that nothing happens, and says so.
            log.error("The balancer cannot be handed over.", ["error": "\(error)"])
            return
        }
        ProcessSelf.exit(ChildProcess.handOverStatus)
    }

    /// Writes down what the numbers in slots mean, for a successor, and where the servers' names led to.
    func remember() { if let registry { remember(SurvivalDirectory(registry)) } }

    func remember(_ directory: SurvivalDirectory) {
        guard !survival.state.store(directory) else { return }
        // Addresses can be asked for again.
        var numbers = directory
        numbers.addresses = [:]
        log.error(
            survival.state.store(numbers)
                ? "The addresses of the servers' names are too many to be left to a successor."
                : "The names of the configuration are too long to be left to a successor.")
    }

    /// Starts the loops that a predecessor had, as far as that can be done without a configuration.
    func startInheritedLoops() {
        for (number, memory) in survival.loops.enumerated() {
            // What cannot be started now is tried again, and said, when it is needed.
            guard var memory, let gate = try? LoopGate() else { continue }
            memory.charge = survival.charge
            guard let handle = try? startLoop(number, memory, gate) else { continue }
            waitingLoops[number] = (handle, gate)
        }
    }

    private func startLoop(_ number: Int, _ memory: LoopMemory, _ gate: LoopGate) throws(Errno) -> LoopHandle {
        try Shortage.outlast { () throws(Errno) in
            try LoopHandle.start(
                number: number, memory: memory, behind: gate, poison: survival.state.poison, isFiltered: true)
        }
    }

    func startLoops(
        _ configuration: Configuration, _ snapshot: Snapshot, _ inheritance: SurvivalDirectory.Translation?
    ) throws(Errno) {
        let count = LoopCount.effective(configuration)
        listeningLoops = count
        let reserved = Self.reservedDescriptors + max(count, survival.loops.count) * PipePool.descriptors
        let most = max(configuration.maximumSessions, Self.roomForSessions)
        let wanted = UInt64(most * Self.socketsPerSession + reserved)
        let limit = try ResourceLimits.raiseOpenFiles(to: min(wanted, try ResourceLimits.openFiles().hard))
        let affordable = max(0, Int(limit) - reserved) / Self.socketsPerSession
        if affordable < configuration.maximumSessions {
            log.notice(
                "the descriptor limit bounds the sessions",
                ["sessions": "\(affordable)", "wanted": "\(configuration.maximumSessions)", "nofile": "\(limit)"])
        }
        // A reload may raise the limit up to here: room that is not used takes no memory.
        let sessions = min(affordable, max(configuration.maximumSessions, Self.roomForSessions))
        room = max(room, sessions)
        reserveDescriptors(min(Int(limit), sessions * Self.socketsPerSession + reserved))
        let longest = configuration.listeners.map(\.maximumConnectSize).max() ?? 0
        let chunkSize = (max(65_536, longest) + 4095) / 4096 * 4096
        let inherited = survival.loops
        blame(inherited.compactMap(\.self))
        for number in 0..<max(count, inherited.count) {
            var memory: LoopMemory
            if number < inherited.count, let known = inherited[number] {
                memory = known
                room = max(room, memory.capacity * count)
            } else {
                if number < inherited.count {
                    log.error(
                        "The memory of a loop could not be taken over: its sessions are lost.",
                        ["loop": "\(number)", "sessions": survival.lost[number].map { "\($0)" } ?? "unknown"])
                }
                memory = try LoopMemory(capacity: max(1, (sessions + count - 1) / count), chunkSize: chunkSize)
                survival.state.store(memory.record, loop: number)
            }
            memory.charge = survival.charge
            if memory.protection == .excluded {
                log.warning(
                    "the keys of TLS sessions may be swapped out: the limit of locked memory is too low",
                    ["loop": "\(number)", "bytes": "\(SessionKeys.bytes(capacity: memory.capacity))"])
            }
            let start = LoopStart(snapshot: snapshot, inheritance: inheritance)
            if let waiting = waitingLoops[number] {
                waiting.gate.open(start)
                loops.append(waiting.handle)
            } else {
                let gate = try LoopGate()
                gate.open(start)
                loops.append(try startLoop(number, memory, gate))
            }
        }
        for (number, sessions) in survival.lost { loops[number].counters.add(.inheritedBroken, UInt64(sessions)) }
        waitingLoops = [:]
        let bell = readyBell
        let fence = Fence(loops: loops.count) { bell.ring() }
        for handle in loops { handle.mailbox.post(.passed(fence)) }
        guard survival.isSuccessor else { return }
        log.notice(
            survival.wasHandedOver
                ? "A balancer has handed over; this one has its sessions." : "A balancer has died; this one has its sessions.",
            ["deaths": "\(survival.state.deaths)", "loops": "\(inherited.count)"])
    }

    /// There is no loop, and will not be one in this process. Sessions that wait for a successor are not given up for want of something
    /// that may be there in a moment: that is a death, of which there may be some in a row.
    func giveUp(after error: any Error) {
        guard survival.isSuccessor, let errno = error as? Errno, errno.isOwnShortage else { return survival.end() }
        log.error("A balancer that was to follow another cannot: the next one tries.", ["error": "\(errno)"])
        ProcessSelf.exit(1)
    }

    static let noHolder = "There is no holder: a death of this balancer would end every session. Tried again until there is one."

    /// Sees to it that there is a holder. Whether there is one is told as it changes.
    func keepHolder() {
        let wasHeld = survival.isHeld
        do throws(Errno) {
            if try survival.keep() {
                log.notice("The holder was gone: there is another one.")
            }
        } catch {
            guard wasHeld else { return }
            log.error(Self.noHolder, ["error": "\(error)"])
        }
    }

    /// When the work of taking over is behind a successor.
    private static let tidyPause: Duration = .seconds(1)

    /// Takes over the stick tables of a former process, now that its sessions are served.
    func openTables() {
        if survival.isSuccessor {
            // What taking over needed is not needed again.
            loop.schedule(at: Clock.now + Self.tidyPause) { ProcessSelf.returnFreeMemory() }
        }
        guard let registry, !registry.allTables.allSatisfy(\.isOpen) else { return }
        let bell = tablesBell
        ShardOpening(registry.allTables.flatMap(\.shards)).runInBackground { bell.ring() }
    }

    /// Before there are loops: while one has to wait for a larger table of descriptors, its sessions wait as well.
    private func reserveDescriptors(_ count: Int) {
        do throws(Errno) { try Descriptor.reserve(min(count, Self.mostReserved)) } catch {
            log.warning("Descriptors could not be reserved: loops will pause as they need more.", ["error": "\(error)"])
        }
    }

    /// Writes down in whose hands the predecessor died, as far as those sessions were not established and their client IDs are
    /// known. Before there are loops.
    private func blame(_ loops: [LoopMemory]) {
        guard !survival.wasHandedOver else {
            // Nobody is to blame; but who was in hand may have been taken off the queue for it, and is owed a turn.
            for memory in loops { SlotArena(capacity: memory.capacity, region: memory.slots).queueInHand() }
            return
        }
        for memory in loops {
            guard let id = Loop.unestablishedInHand(memory) else { continue }
            survival.state.poison.blame(id, at: Clock.now.nanoseconds)
            log.warning(
                "A balancer died with a client's CONNECT in hand.",
                ["client": String(decoding: id, as: UTF8.self)])
        }
    }

    /// Tells the supervisor why nobody takes the predecessor's place. There is no loop yet, and never will be.
    private static func giveUp(_ reason: String) {
        // Not told, it finds the socket closed.
        guard let loop = try? EventLoop(),
            let control = try? ControlChannel<SupervisorMessage, ChildMessage>(
                FileDescriptor(owning: ChildProcess.controlDescriptor), on: loop)
        else { return }
        control.send(.gaveUp(reason: reason))
    }

    /// Takes the predecessor's place, or begins. Before there is another thread: the holder is a copy of this one.
    static func follow() throws(Errno) -> Survival {
        do {
            return try Survival.begin()
        } catch let error as Errno {
            throw error
        } catch {
            try? Descriptor.writeAll(2, Array("understudy balancer: \(error)\n".utf8))
            giveUp("\(error)")
            ProcessSelf.exit(1)
        }
    }
}
