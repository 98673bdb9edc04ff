// Certificates for the tests, made once by openssl: good ones, and each mistake people make.

import Glibc
import Linux
import TLS
import Testing
import Wire

@testable import Configuration

/// A directory full of certificates, keys and lists. Everything that is valid is so from 2020 to 2040.
///
/// `root` issues `middle`, `middle` issues `low`, `server` (broker.example.com, *.devices.example.com, 127.0.0.1) and
/// `rsa` (the same name); `root` issues `other`. `clients` issues `meter`, `gone` (revoked) and `late` (expired), `endless` (longer than is taken); `low`
/// issues `deep`.
enum TLSWorkshop {
    /// The moment by which files are judged: 2026-06-01.
    static let time: Int64 = 1_780_272_000

    /// Made by the first who asks; removed when the process ends.
    static let directory: String = {
        let directory = "/tmp/understudy-tls-\(ProcessSelf.pid)"
        do {
            try FileTree.makeDirectory(directory)
            try FileTree.write("\(directory)/make.sh", Array(script.utf8))
            let process = try Process(
                .init(
                    path: "/bin/bash", arguments: ["bash", "\(directory)/make.sh", directory],
                    environment: ["PATH=/usr/bin:/bin"]))
            let limit = Clock.now + .seconds(60)
            while process.reap() == nil, Clock.now < limit { ProcessSelf.pause(.milliseconds(5)) }
        } catch {
            preconditionFailure("no directory for certificates: \(error)")
        }
        precondition(File.stamp("\(directory)/done") != nil, "openssl made no certificates: see \(directory)/log")
        atexit {
            // Hundreds of small files: what is left of them in /tmp helps nobody.
            _ = unsafe system("rm -rf /tmp/understudy-tls-\(getpid())")
        }
        return directory
    }()

    /// A configuration with one listener, whose tls block says this; `@` stands for the directory.
    static func configuration(listener tls: String, backend: String? = nil) -> String {
        """
        listen m { bind *:8883; use b
            tls { \(tls) } }
        backend b { server s1 192.168.0.2:1883\(backend.map { "; tls { \($0) }" } ?? "") }
        """.replacing("@", with: directory)
    }

    /// The messages a configuration gets, with `@` for the directory.
    static func messages(_ text: String, time: Int64 = time) -> String {
        let files = TLSFiles(time: time)
        let outcome = Checker.check(Source(name: "test.conf", text: text), as: .init(), judge: files.judge)
        return outcome.text.replacing(directory, with: "@")
    }

    /// A listener's context; the block must be good.
    static func context(
        listener tls: String, secret: [UInt8] = .init(repeating: 7, count: TicketKeys.secretCount),
        clock: @escaping WallClock = { Clock.wallMicroseconds / 1_000_000 }
    ) throws -> TLSContext {
        let files = TLSFiles()
        let outcome = Checker.check(
            Source(name: "test.conf", text: configuration(listener: tls)), as: .init(), judge: files.judge)
        let configuration = try #require(outcome.configuration, Comment(rawValue: outcome.text))
        return try TLSContext(
            listener: try #require(configuration.listeners[0].tls), material: try #require(files.listeners["m"]),
            ticketSecret: secret, clock: clock)
    }

    /// A backend's context; the block must be good.
    static func context(backend tls: String) throws -> TLSContext {
        let files = TLSFiles()
        let text = Self.configuration(listener: "certificate @/combined.pem", backend: tls)
        let outcome = Checker.check(Source(name: "test.conf", text: text), as: .init(), judge: files.judge)
        let configuration = try #require(outcome.configuration, Comment(rawValue: outcome.text))
        return try TLSContext(
            backend: try #require(configuration.backends[0].tls), material: try #require(files.backends["b"]))
    }

    private static let script = #"""
        set -eu
        cd "$1"
        exec 2>log
        key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; chmod 600 "$1.key"; }
        cat > ca.conf <<C
        [ca]
        default_ca = d
        [d]
        dir = .
        database = index.txt
        new_certs_dir = .
        rand_serial = yes
        default_md = sha256
        policy = p
        unique_subject = no
        copy_extensions = copy
        crl_number = crlnumber
        default_crl_days = 3650
        [p]
        commonName = supplied
        organizationName = optional
        C
        : > index.txt; echo 01 > crlnumber
        # name subject issuer extensions start end
        issue() {
            [ -f "$1.key" ] || key "$1"
            printf '%s\n' "$4" > "$1.ext"
            openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
            if [ "$3" = self ]; then signer="-selfsign -keyfile $1.key"; else signer="-cert $3.crt -keyfile $3.key"; fi
            openssl ca -batch -notext -preserveDN -config ca.conf -in "$1.csr" -out "$1.crt" $signer -extfile "$1.ext" -startdate "$5" -enddate "$6"
        }
        old=20200101000000Z; far=20400101000000Z
        authority='basicConstraints=critical,CA:TRUE
        subjectKeyIdentifier=hash'
        leaf='basicConstraints=CA:FALSE
        subjectKeyIdentifier=hash
        authorityKeyIdentifier=keyid'
        issue root /O=Example/CN=Root self "$authority" $old $far
        issue middle /O=Example/CN=Middle root "$authority" $old $far
        issue low /O=Example/CN=Low middle "$authority" $old $far
        issue server /O=Example/CN=broker.example.com middle "$leaf
        subjectAltName=DNS:broker.example.com,DNS:*.devices.example.com,IP:127.0.0.1" $old $far
        openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key; chmod 600 rsa.key
        issue rsa /O=Example/CN=broker.example.com middle "$leaf
        subjectAltName=DNS:broker.example.com" $old $far
        issue other /CN=other.example.net root "$leaf
        subjectAltName=DNS:other.example.net" $old $far
        issue expired /CN=expired.example.com root "$leaf" $old 20210101000000Z
        issue future /CN=future.example.com root "$leaf" 20390101000000Z $far
        openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key; chmod 600 weak.key
        issue weak /CN=weak.example.com root "$leaf" $old $far
        issue clients /O=Example/CN=Clients self "$authority" $old $far
        issue meter /O=Example/CN=meter-7 clients "$leaf" $old $far
        issue gone /O=Example/CN=meter-8 clients "$leaf" $old $far
        issue late /O=Example/CN=meter-9 clients "$leaf" $old 20210101000000Z
        issue endless /O=Example/CN=meter-11 clients "$leaf
        subjectAltName=$(seq -f 'DNS:%g.endless.example.com' -s , 1000)" $old $far
        issue deep /O=Example/CN=meter-10 low "$leaf" $old $far
        issue strangers /CN=Strangers self "$authority" $old $far
        issue stranger /CN=stranger strangers "$leaf" $old $far
        openssl ca -config ca.conf -revoke gone.crt -keyfile clients.key -cert clients.crt
        openssl ca -config ca.conf -gencrl -keyfile clients.key -cert clients.crt -out clients.crl
        cat server.crt middle.crt > chain.pem
        cat server.key server.crt middle.crt > combined.pem; chmod 600 combined.pem
        cat middle.crt server.crt > shuffled.pem
        cat server.crt middle.crt other.crt > stray.pem
        cat rsa.crt middle.crt rsa.key > rsa.pem; chmod 600 rsa.pem
        cat other.crt other.key > other.pem; chmod 600 other.pem
        cat deep.crt low.crt middle.crt > deep.pem
        openssl pkey -in server.key -aes256 -passout pass:x -out locked.key; chmod 600 locked.key
        cp server.key open.key; chmod 644 open.key
        cat server.crt server.key > swapped.tmp; cat other.crt server.key > mismatch.pem; chmod 600 mismatch.pem
        echo hello > empty.pem
        mkdir many; cp other.pem many/; cp chain.pem many/broker.crt; cp server.key many/broker.key
        echo done > done
        """#
}
