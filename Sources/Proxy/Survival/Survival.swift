// This process as one of a row: what it took over, and what follows it.

import Control
import Linux
import Wire

/// The balancer's place between its predecessor and its successor.
final class Survival {
    /// Why a process cannot follow another; the holder goes on without it.
    enum Refusal: Error, CustomStringConvertible {
        /// The predecessor's memory has another layout.
        case layout
        /// Process after process died before it served.
        case crashLoop(deaths: UInt32)

        var description: String {
            switch self {
            case .layout: "the memory that was left is of another layout"
            case .crashLoop(let deaths): "\(deaths) balancers died one after another"
            }
        }
    }

    /// How long a process serves before its death counts by itself.
    static let settling: Duration = .milliseconds(200)

    let state: SurvivalState
    private let holder: Holder
    /// `nil`: there is none, and a death of this process is the end of its sessions.
    private var holderPid: Int32?
    /// Whether a death would be followed.
    var isHeld: Bool { Mortality.isMortal || holderPid != nil }
    /// A predecessor's sessions are to be taken over.
    let isSuccessor: Bool
    /// The supervisor was told that this process took the predecessor's place.
    private(set) var isAnnounced = false
    /// The predecessor ended to make room for this program.
    let wasHandedOver: Bool
    /// The memory of each loop the predecessor had; `nil` for one that makes no sense.
    private(set) var loops: [LoopMemory?] = []
    /// Loops whose memory could not be taken over, and how many sessions are lost with each, where that could be read.
    private(set) var lost: [Int: Int] = [:]

    /// Begins the row, or takes the place of the process that died. On the main thread, before there is another, and before anything is
    /// opened: in a successor it returns once more, in a process that was the holder.
    static func begin() throws -> Survival {
        guard let text = ProcessSelf.environment(SurvivalState.variable) else {
            return try Survival(SurvivalState(), isProgramAnew: false)
        }
        guard let state = SurvivalState(adopting: text) else { throw Refusal.layout }
        return try Survival(state, isProgramAnew: true)
    }

    /// - Parameter isProgramAnew: a holder has started this program.
    private init(_ state: SurvivalState, isProgramAnew: Bool) throws {
        Chaos.begin(state.chaos)
        if isProgramAnew { Chaos.point(.stateMapped) }
        self.state = state
        var environment = ["SWIFT_BACKTRACE=enable=no", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        if let stream = ProcessSelf.environment("JOURNAL_STREAM") { environment.append("JOURNAL_STREAM=\(stream)") }
        environment.append("\(SurvivalState.variable)=\(state.number)")
        holder = Holder(
            region: state.region, arguments: ["understudy", ChildProcess.Role.balancer.rawValue],
            environment: environment)
        if isProgramAnew { try Self.count(state, holder) }
        let start = Mortality.isMortal ? (pid: nil, follows: false) : try holder.start(isAlone: true)
        // From here on this process has a holder, if the kernel let it have one, and nothing of the predecessor's was touched before.
        holderPid = start.pid
        isSuccessor = isProgramAnew || start.follows
        if start.follows { try Self.count(state, holder) }
        wasHandedOver = isSuccessor && state.wasHandedOver()
        if isSuccessor { Chaos.point(.holderStarted) }
        holder.commit()
        // Drawn by each process of the row: the holder that follows was copied already.
        if Chaos.startsAnew { _ = holder.setNext("/proc/self/exe") }
        guard isSuccessor else { return }
        Chaos.point(.ownerStored)
        // What came back, or was never followed, needs no way back.
        if !holder.isOnProbation { holder.forgetPrevious() }
        announce()
        adopt()
    }

    /// Tells the supervisor at once: it looks who that is, and gets ready what this process will need, while this one looks at what was left.
    private func announce() {
        let message = ControlChannel<SupervisorMessage, ChildMessage>.datagram(of: .succeeded(pid: ProcessSelf.pid))
        guard let message else { return }
        isAnnounced = (try? UnixSocket.send(ChildProcess.controlDescriptor, message)) != nil
    }

    /// Counts the predecessor's death, or gives up.
    private static func count(_ state: SurvivalState, _ holder: Holder) throws {
        guard !state.isHandedOver, !state.followed() else { return }
        holder.end()
        throw Refusal.crashLoop(deaths: SurvivalState.maximumRestless)
    }

    /// Finds the loops' memory, and closes every descriptor that nothing there names: what the predecessor had for itself, and
    /// sessions that were not established or had begun to end.
    ///
    /// Before anything is opened, for all loops at once: which descriptor is whose cannot be told later. What else is to outlive a process is
    /// named here.
    private func adopt() {
        for loop in 0..<LoopCount.maximum {
            let record = state.record(loop)
            guard record.capacity > 0 else { break }
            let memory = LoopMemory(adopting: record)
            if memory == nil { lost[loop] = LoopMemory.sessions(in: record) }
            loops.append(memory)
        }
        var kept = DescriptorSet()
        for number in [0, 1, 2, ChildProcess.controlDescriptor, state.number, holder.previous ?? 0] { kept.insert(number) }
        for case let memory? in loops {
            for number in memory.record.descriptors { kept.insert(number) }
            for number in PipePool(region: memory.pipes).ends { kept.insert(number) }
            let slots = SlotArena(capacity: memory.capacity, region: memory.slots)
            for index in 1..<slots.end where slots[index].phase == .relaying || slots[index].phase == .orphaned {
                kept.insert(slots[index].client)
                kept.insert(slots[index].server)
            }
        }
        kept.closeOthers()
        Chaos.point(.swept)
    }

    /// Another program follows this process when it ends, and this one comes back should that one not take over, or die
    /// before it is believed.
    ///
    /// - Throws: `Errno`; nothing has changed then.
    func hand(to program: String) throws(Errno) {
        try holder.beginProbation()
        guard holder.setNext(program) else {
            holder.believe()
            throw Errno(Errno.nameTooLong, "execve \(program)")
        }
        state.handsOver()
    }

    /// The program of this process is kept.
    func believe() { holder.believe() }

    /// Whether this process may speak for the sessions.
    var charge: Charge { holder.charge }

    /// Nothing follows this process: it ends on purpose.
    func end() { holder.end() }

    /// Replaces a holder that has died, or that there was no room for.
    ///
    /// - Returns: whether there is a new one.
    /// - Throws: `Errno` of clone: nobody follows this process as long as it is so.
    func keep() throws(Errno) -> Bool {
        guard !Mortality.isMortal, holderPid.map(Holder.hasEnded) ?? true else { return false }
        holderPid = nil
        // By a copy of this one thread among others nobody can be followed but by starting the program.
        holderPid = try holder.start(isAlone: false).pid
        return true
    }

    /// What the predecessor's numbers mean; `nil`: there is no predecessor, or nobody knows.
    var directory: SurvivalDirectory? { isSuccessor ? state.directory : nil }

    /// What the predecessor's numbers mean here.
    func inheritance(to snapshot: Snapshot) -> SurvivalDirectory.Translation? {
        isSuccessor ? state.directory?.translation(to: snapshot) : nil
    }
}
