// What the supervisor needs before it starts anybody: users, room for descriptors, its admin socket.

import Configuration
import Control
import Linux
import Telemetry
import Wire

extension SupervisorProcess {
    /// The children a configuration wants on this host.
    func roles(of configuration: Configuration) -> Set<ChildProcess.Role> {
        let hasAddress = !configuration.routers.isEmpty && configuration.node != nil && Privileges.isRoot
        return hasAddress ? [.balancer, .vip] : [.balancer]
    }

    /// Whom the balancer becomes when we are root, and what is to be said about it.
    static func user(for configuration: Configuration) throws(Errno) -> (String?, warning: String?) {
        guard Privileges.isRoot else { return (nil, nil) }
        if try User.named(configuration.user) != nil { return (configuration.user, nil) }
        let warning = "There is no user \(configuration.user); the balancer runs as nobody."
        guard try User.named("nobody") != nil else { throw Errno(Errno.noEntry, "getpwnam nobody") }
        return ("nobody", warning)
    }

    /// Files that may be open at least, so that a balancer has room for sessions at all: it keeps 512 for what is none.
    static let leastOpenFiles: UInt64 = 768

    /// Raises the limit of open files while we may: the balancer has no right to.
    func makeRoom(for configuration: Configuration) {
        let most = (try? File.read("/proc/sys/fs/nr_open", limit: 64)).flatMap { bytes in
            UInt64(String(decoding: bytes, as: UTF8.self).filter(\.isNumber))
        }
        // Two sockets a session, and some for everything else.
        let wanted = min(UInt64(max(configuration.maximumSessions, 1_000_000)) * 2 + 1024, most ?? 1_048_576)
        do throws(Errno) {
            try ResourceLimits.raiseOpenFiles(to: wanted)
        } catch {
            log.info("Fewer files may be open than the sessions could need.", ["error": error])
            let hard = (try? ResourceLimits.openFiles())?.hard
            if let hard { _ = try? ResourceLimits.raiseOpenFiles(to: hard) }
        }
    }

    func openAdmin() throws(Errno) {
        let settings = current.loaded.configuration.admin
        do throws(Errno) {
            if let heritage {
                guard let listener = heritage.admin else { return }
                if File.stamp(settings.socketPath) != nil {
                    admin = try AdminServer(path: settings.socketPath, group: nil, heritage: listener, on: loop) {
                        [unowned self] in answer($0, $1)
                    }
                    return
                }
                // Nobody finds it any more.
                Descriptor.close(listener)
            }
            var group: UInt32?
            if let name = settings.group, Privileges.isRoot {
                group = try User.group(named: name)
                if group == nil { log.warning("There is no such group; only root may ask.", ["group": name]) }
            }
            if let slash = settings.socketPath.lastIndex(of: "/"), slash > settings.socketPath.startIndex {
                do throws(Errno) {
                    try FileTree.makeDirectory(String(settings.socketPath[..<slash]))
                } catch {
                    guard error.code == Errno.exists else { throw error }
                }
            }
            admin = try AdminServer(path: settings.socketPath, group: group, on: loop) { [unowned self] in answer($0, $1) }
        } catch {
            if error.code == Errno.addressInUse {
                throw Self.inUse(settings.socketPath)
            }
            // Serving matters more than being asked; and a first try without root has no /run/understudy.
            log.warning(
                "Nobody can ask this daemon anything; set admin { socket PATH }.",
                ["path": settings.socketPath, "error": error])
        }
    }
}
