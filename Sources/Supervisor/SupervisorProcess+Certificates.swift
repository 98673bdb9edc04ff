// Takes up certificates that were replaced on the disk: no command, nobody disconnected.

import Configuration
import Linux
import TLS
import Telemetry
import Wire

extension SupervisorProcess {
    /// Looks at the files of tls blocks now and then.
    func watchCertificates() {
        loop.schedule(at: Clock.now + CertificateWatch.interval) { [unowned self] in watchCertificates() }
        let files = current.loaded.tls
        guard !files.stamps.isEmpty, supervision.isReady, !supervision.isStopping, pending == nil else { return }
        guard upgrading == nil, probation == nil else { return }
        guard certificates.observe(files.currentStamps) else { return }
        rereadCertificates()
    }

    private func rereadCertificates() {
        func refuse(_ reason: String) {
            certificates.refused(reason)
            log.error("New certificates are not taken; the old ones stay in use.", ["because": reason])
        }
        let loaded: LoadedConfiguration
        do throws(LoadedConfiguration.Refusal) { loaded = try current.loaded.rereadingCertificates() } catch {
            return refuse(error.description)
        }
        let changed = loaded.changedFiles(since: current.loaded)
        guard !changed.isEmpty else {
            // Written again with the same contents, or only touched.
            current.loaded.tls = loaded.tls
            return certificates.committed(loaded.tls.stamps)
        }
        log.notice("Certificates were replaced on the disk.", ["changes": changed.joined(separator: "; ")])
        if !loaded.warnings.isEmpty { log.warning("The configuration has warnings.", ["warnings": loaded.warnings]) }
        do throws(Errno) {
            let same = current.loaded.configuration
            try propose(loaded, Configuration.Difference(from: same, to: same))
        } catch {
            refuse(error.description)
        }
    }
}
