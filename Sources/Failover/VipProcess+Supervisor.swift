// What the supervisor says to the vip process.

import Configuration
import Control
import Linux
import TLS
import Telemetry
import Wire

extension VipProcess {
    func obey(_ message: SupervisorMessage, _ descriptors: DescriptorBag) {
        switch message {
        case .descriptors(let names): takeSecrets(names, descriptors)
        case .prepare(let generation): prepare(generation, descriptors)
        case .commit(let generation): commit(generation)
        case .cancel: forgetPrepared()
        case .query(let id, let request):
            answer(request) { [weak self] answer in self?.control.send(.reply(id: id, answer: answer)) }
        case .admin(let request):
            if request["command"] == "events", let connection = descriptors.take(0) {
                subscribe(connection)
            } else if let connection = descriptors.take(0) {
                let number = connection.release()
                answer(request) { answer in
                    _ = try? Descriptor.write(number, Array((answer.text + "\n").utf8).span)
                    Descriptor.close(number)
                }
            }
        case .balancerLink:
            if let socket = descriptors.take(0), let end = descriptors.take(1) { openBalancerLink(socket, end: end) }
        case .vipLink, .welcome, .handOver, .believe, .drain: break
        case .stop(let deadline): stop(by: deadline)
        }
    }

    /// Reads what was handed over at once; a descriptor that cannot be read is missed when a key is made of it.
    private func takeSecrets(_ names: [DescriptorName], _ descriptors: DescriptorBag) {
        for (place, name) in names.enumerated() where name.isForVip {
            guard let number = descriptors[place] else { continue }
            do throws(Errno) {
                secrets.take(name, try Memfd.contents(number, limit: PairSecret.maximumFileSize))
            } catch {
                around.log.error("A secret cannot be read.", ["name": name, "error": error])
            }
        }
    }

    private func prepare(_ generation: UInt64, _ descriptors: DescriptorBag) {
        do {
            guard let memfd = descriptors.take(0) else { throw MalformedMessage("no configuration attached") }
            let addresses = try around.netlink.addresses().map(\.prefix.address)
            reading = generation
            commitsWhenRead = false
            try reader.read(memfd, addresses: addresses) { [weak self] outcome in self?.prepare(generation, outcome) }
        } catch {
            refuse(generation, "\(error)")
        }
    }

    /// A configuration has been read; what is not waited for any more is nobody's business.
    private func prepare(_ generation: UInt64, _ outcome: ConfigurationReader.Outcome) {
        guard reading == generation else { return }
        switch outcome {
        case .refused(let reason): refuse(generation, reason)
        case .read(let configuration):
            do throws(RouterPlan.Impossible) {
                prepared = (generation, try RouterPlan.plans(of: configuration, secrets: secrets), configuration.log)
            } catch {
                return refuse(generation, "\(error)")
            }
            reading = nil
            preparedPriority = configuration.realtimePriority
            control.send(.prepared(generation: generation))
            if commitsWhenRead { commit(generation) }
        }
    }

    private func refuse(_ generation: UInt64, _ reason: String) {
        forgetPrepared()
        control.send(.refused(generation: generation, reason: reason))
    }

    /// Whatever was prepared, and the secrets that came for it, are not wanted: also when who asked for it is gone, and
    /// another supervisor does not know its number.
    private func forgetPrepared() {
        prepared = nil
        reading = nil
        secrets.cancel()
    }

    private func commit(_ generation: UInt64) {
        if reading == generation {
            commitsWhenRead = true
            return
        }
        guard let prepared, prepared.generation == generation else {
            control.send(.refused(generation: generation, reason: "generation \(generation) was not prepared"))
            return
        }
        self.prepared = nil
        let interfaces: [Interface]
        do throws(Errno) { interfaces = try around.netlink.interfaces() } catch {
            control.send(.refused(generation: generation, reason: "\(error)"))
            return
        }
        secrets.commit()
        let isFirst = self.generation == nil
        self.generation = generation
        takePriority(preparedPriority)
        around.log.adopt(prepared.log)
        if isFirst { releaseStrangers(prepared.plans) }
        apply(prepared.plans, interfaces)
        if let program = ProcessSelf.program { control.send(.program(program)) }
        control.send(.serving(generation: generation))
        report()
    }

    /// Routers of the same identity go on, others end before new ones begin.
    private func apply(_ plans: [RouterPlan], _ interfaces: [Interface]) {
        var kept: [RouterPlan.Identity: RouterDriver] = [:]
        for driver in drivers where plans.contains(where: { $0.identity == driver.plan.identity }) {
            kept[driver.plan.identity] = driver
        }
        let ended = drivers.filter { kept[$0.plan.identity] == nil }
        tracker.observe(AttendantOrder(joining: plans.map(\.tracking.order)))
        drivers = plans.map { plan in kept[plan.identity] ?? RouterDriver(plan, around) }
        // A new router knows what was said before it was there.
        if let lastBeat { tracker.heard(lastBeat) }
        // A group that changes lets its members go first: one that ends must not take the others along.
        let former = groups
        let wanted = Self.members(plans, drivers)
        groups = wanted.map { name, members in
            former.first { $0.name == name && $0.consists(of: members) } ?? RouterGroup(name, members)
        }
        for group in former where !groups.contains(where: { $0 === group }) { group.end() }
        for driver in ended {
            driver.end()
            retire(driver, by: Clock.now + Self.lastHooks)
        }
        for (driver, plan) in zip(drivers, plans) {
            let identity = plan.identity
            driver.isSibling = { id in
                plans.contains { $0.identity.interface == identity.interface && $0.identity.routerID == id }
            }
            if kept[identity] != nil {
                driver.apply(plan, interfaces)
            } else {
                driver.onAdvertisement = { [weak self] in self?.notifyBalancer(isPaced: true) }
                driver.onParted = { [weak self] in self?.parted() }
                driver.onTransition = { [weak self, unowned driver] in self?.roleChanged(isActive: driver.isActive) }
                driver.readNews = { [weak self] in self?.readNews(looksAtOnce: true) }
                driver.onBlindness = { [weak self] in self?.lookAgain() }
                follow(driver)
                driver.begin(interfaces)
                driver.balancer(isReady: watch.isReady, reason: watch.reason, isInSync: watch.isInSync)
            }
        }
        for group in groups where !former.contains(where: { $0 === group }) { begin(group) }
    }

    private func begin(_ group: RouterGroup) {
        group.onRole = { [weak self, unowned group] role in
            self?.events.publish(Self.event("group", group.name, role, []))
        }
        group.begin()
    }

    /// The drivers of each group, in the order of the file.
    private static func members(_ plans: [RouterPlan], _ drivers: [RouterDriver]) -> [(String, [RouterDriver])] {
        var members: [(String, [RouterDriver])] = []
        for (plan, driver) in zip(plans, drivers) {
            guard let name = plan.group else { continue }
            if let index = members.firstIndex(where: { $0.0 == name }) {
                members[index].1.append(driver)
            } else {
                members.append((name, [driver]))
            }
        }
        return members
    }

    /// Takes away what an earlier run left and this configuration does not know.
    private func releaseStrangers(_ plans: [RouterPlan]) {
        do throws(Errno) {
            let removed = try AddressSweep.run { interface, address in
                plans.contains { plan in
                    plan.addresses.contains { $0.device == interface.name && $0.address == address.prefix.address }
                }
            }
            for address in removed {
                around.log.notice("An address of an earlier run was removed.", ["address": address.prefix])
            }
        } catch {
            around.log.error("Addresses of an earlier run could not all be removed.", ["error": error])
        }
    }
}
