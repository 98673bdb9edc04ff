// What the supervisor says to the vip process.

import Configuration
import Control
import Linux
import Telemetry
import Wire

extension VipProcess {
    func obey(_ message: SupervisorMessage, _ descriptors: DescriptorBag) {
        switch message {
        case .descriptors: break
        case .prepare(let generation): prepare(generation, descriptors)
        case .commit(let generation): commit(generation)
        case .cancel(let generation): if prepared?.generation == generation { prepared = nil }
        case .query(let id, let request): control.send(.reply(id: id, answer: answer(request)))
        case .admin(let request):
            if let connection = descriptors.take(0) {
                let text = Array((answer(request).text + "\n").utf8)
                _ = try? Descriptor.write(connection.number, text.span)
            }
        case .balancerLink: if let socket = descriptors.take(0) { openBalancerLink(socket) }
        case .vipLink: break
        case .stop(let deadline): stop(by: deadline)
        }
    }

    private func prepare(_ generation: UInt64, _ descriptors: DescriptorBag) {
        do {
            guard let memfd = descriptors[0] else { throw MalformedMessage("no configuration attached") }
            let bundle = try ConfigurationBundle(reading: memfd)
            let addresses = try around.netlink.addresses().map(\.prefix.address)
            let outcome = bundle.check(addresses: addresses)
            guard let configuration = outcome.configuration else {
                control.send(.refused(generation: generation, reason: outcome.text))
                return
            }
            prepared = (generation, try RouterPlan.plans(of: configuration), configuration.log)
            control.send(.prepared(generation: generation))
        } catch {
            control.send(.refused(generation: generation, reason: "\(error)"))
        }
    }

    private func commit(_ generation: UInt64) {
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
        let isFirst = self.generation == nil
        self.generation = generation
        around.log.adopt(prepared.log)
        if isFirst { releaseStrangers(prepared.plans) }
        apply(prepared.plans, interfaces)
        control.send(.serving(generation: generation))
        report()
    }

    /// Routers of the same identity go on, others end before new ones begin.
    private func apply(_ plans: [RouterPlan], _ interfaces: [Interface]) {
        var kept: [RouterPlan.Identity: RouterDriver] = [:]
        for driver in drivers {
            if plans.contains(where: { $0.identity == driver.plan.identity }) {
                kept[driver.plan.identity] = driver
            } else {
                driver.end()
            }
        }
        tracker.observe(AttendantOrder(joining: plans.map(\.tracking.order)))
        drivers = plans.map { plan in kept[plan.identity] ?? RouterDriver(plan, around) }
        for (driver, plan) in zip(drivers, plans) {
            let identity = plan.identity
            driver.isSibling = { id in
                plans.contains { $0.identity.interface == identity.interface && $0.identity.routerID == id }
            }
            if kept[identity] != nil {
                driver.apply(plan, interfaces)
            } else {
                driver.onAdvertisement = { [weak self] in self?.notifyBalancer(isPaced: true) }
                driver.onTransition = { [weak self, unowned driver] in self?.roleChanged(isActive: driver.isActive) }
                driver.begin(interfaces)
                driver.balancer(isReady: watch.isReady, reason: watch.reason, isInSync: watch.isInSync)
            }
        }
    }

    /// Takes away what an earlier run left and this configuration does not know.
    private func releaseStrangers(_ plans: [RouterPlan]) {
        do throws(Errno) {
            let removed = try AddressSweep.run { interface, address in
                plans.contains { plan in
                    plan.identity.interface == interface.name
                        && plan.prefixes.contains { $0.address == address.prefix.address }
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
