// Sealed advertisements: the draft's wire images, the modes, replays, clocks, and changing keys without a transition.

import Testing
import VRRP
import Wire

@Suite struct HMACAuthenticationTests {
    typealias Key = HMACAuthentication.Key
    static let crypto = TestAuthenticator()
    static let from = IPAddress.v4(IPv4Address(198, 51, 100, 10))
    static let to = IPAddress.v4(IPv4Address(198, 51, 100, 20))
    static let link10 = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: 0x10))
    static let link20 = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: 0x20))
    static let link100 = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: 0x100))
    static let v4 = Advertisement(
        version: .three, routerID: 51, priority: 200, interval: .seconds(1),
        addresses: [.v4(IPv4Address(192, 0, 2, 100))], checksumForm: .messageOnly)
    static let v6 = Advertisement(
        version: .three, routerID: 51, priority: 200, interval: .seconds(1), addresses: [link100])

    /// The time of the draft's images: 0x68000000.8000 s.
    static let wall = Duration.seconds(0x6800_0000) + .milliseconds(500)
    static let v4Image: [UInt8] = [
        0x31, 0x33, 0xC8, 0x01,  // version 3, type 1; identifier 51; priority 200; count 1
        0x00, 0x64, 0x44, 0x02,  // 100 centiseconds; checksum over the message only
        0xC0, 0x00, 0x02, 0x64,  // 192.0.2.100
        0x01, 0x01, 0x00, 0x00,  // trailer: type 1, key 1, reserved
        0x68, 0x00, 0x00, 0x00,  // seconds
        0x80, 0x00, 0x00, 0x00,  // fraction, counter
        0x1B, 0x84, 0xBC, 0x4E, 0x8E, 0x43, 0x89, 0x2D, 0xC6, 0xD9, 0x84, 0x48, 0xF8, 0xEE, 0x22, 0x65,  // HMAC
    ]
    static let v6Image: [UInt8] =
        [
            0x31, 0x33, 0xC8, 0x01,
            0x00, 0x64, 0xA2, 0xE9,  // checksum of the transport to fe80::20, the trailer included
        ] + link100.octets + [
            0x01, 0x01, 0x00, 0x00, 0x68, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00,
            0xC8, 0xC5, 0x61, 0x46, 0xEB, 0xFD, 0x66, 0xEE, 0x10, 0xEC, 0x4D, 0x81, 0x86, 0x46, 0x1B, 0x78,
        ]

    static func key(_ id: UInt8, seed: UInt8 = 0) throws -> Key {
        try #require(Key(id: id, secret: (0..<32).map { $0 ^ seed }))
    }

    static func authentication(
        _ mode: HMACAuthentication.Mode = .enforce, keys: [Key]? = nil, active: UInt8 = 1,
        antiReplay: HMACAuthentication.AntiReplay = .time
    ) throws -> HMACAuthentication {
        HMACAuthentication(
            .init(
                keys: try keys ?? [key(1)], activeKey: active, mode: mode, antiReplay: antiReplay, interval: .seconds(1)
            ))
    }

    static func write(
        _ sender: inout HMACAuthentication, _ advertisement: Advertisement = v4, from: IPAddress = from,
        to: IPAddress = to, checksum: Advertisement.ChecksumForm = .messageOnly, wall: Duration = wall
    ) throws -> [UInt8] {
        let bytes = sender.write(advertisement, from: from, to: to, checksum: checksum, wall: wall, with: crypto)
        return try #require(bytes)
    }

    /// What the receiver says: nothing when it believes.
    static func verdict(
        _ receiver: inout HMACAuthentication, _ bytes: [UInt8], from: IPAddress = from, to: IPAddress = to,
        wall: Duration = wall
    ) -> Discard? {
        do throws(Discard) {
            _ = try receiver.read(bytes.span, from: from, to: to, hopLimit: 255, wall: wall, with: crypto)
            return nil
        } catch {
            return error
        }
    }

    @Test func theTestsOwnHMACIsRight() {
        // RFC 4231, 4.3, and FIPS 180-4 for the empty message.
        let mac = Self.crypto.hmacSHA256(
            key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8).span)
        #expect(mac?.prefix(4) == [0x5B, 0xDC, 0xC1, 0x46])
        #expect(mac?.suffix(4) == [0x64, 0xEC, 0x38, 0x43])
        #expect(TestAuthenticator.sha256([]).prefix(4) == [0xE3, 0xB0, 0xC4, 0x42])
    }

    @Test func writesTheImagesOfTheDraft() throws {
        var sender = try Self.authentication()
        #expect(try Self.write(&sender) == Self.v4Image)
        var other = try Self.authentication()
        #expect(try Self.write(&other, Self.v6, from: Self.link10, to: Self.link20) == Self.v6Image)
    }

    @Test func readsTheImagesOfTheDraft() throws {
        var receiver = try Self.authentication()
        let v4 = try receiver.read(
            Self.v4Image.span, from: Self.from, to: Self.to, hopLimit: 255, wall: Self.wall, with: Self.crypto)
        #expect(v4 == Self.v4)
        let v6 = try receiver.read(
            Self.v6Image.span, from: Self.link10, to: Self.link20, hopLimit: 255, wall: Self.wall, with: Self.crypto)
        #expect(v6 == Self.v6)
    }

    /// An octet of the IPv6 image, what it is, and what its change means.
    static let tampered: [(String, Int, Discard)] = [
        ("priority", 2, .hmacMismatch), ("interval", 5, .hmacMismatch), ("address", 23, .hmacMismatch),
        ("type", 24, .hmacMalformed), ("key", 25, .hmacUnknownKey), ("reserved", 27, .hmacMalformed),
        ("seconds", 31, .hmacMismatch), ("counter", 35, .hmacMismatch), ("HMAC", 36, .hmacMismatch),
    ]

    @Test(arguments: tampered)
    func refusesWhatWasChanged(what: String, index: Int, reason: Discard) throws {
        var receiver = try Self.authentication()
        var bytes = Self.v4Image
        // The IPv4 message is 12 octets shorter; its checksum does not cover the trailer, so only that is resealed.
        let at = index > 23 ? index - 12 : min(index, 11)
        bytes[at] ^= 1
        bytes.replaceSubrange(0..<12, with: AdvertisementTests.resealed(Array(bytes[0..<12])))
        #expect(Self.verdict(&receiver, bytes) == reason, "\(what)")
    }

    @Test func theChecksumIsNoPartOfTheSealAndStillChecked() throws {
        var receiver = try Self.authentication()
        var sender = try Self.authentication()
        let pseudo = try Self.write(&sender, checksum: .pseudoHeader)
        #expect(pseudo.suffix(16) == Self.v4Image.suffix(16))
        #expect(Self.verdict(&receiver, pseudo) == nil)
        var broken = Self.v6Image
        broken[6] ^= 1
        #expect(Self.verdict(&receiver, broken, from: Self.link10, to: Self.link20) == .badChecksum)
    }

    @Test func theSealBindsTheSource() throws {
        var receiver = try Self.authentication()
        let other = IPAddress.v4(IPv4Address(198, 51, 100, 11))
        #expect(Self.verdict(&receiver, Self.v4Image, from: other) == .hmacMismatch)
    }

    @Test func aReplayIsRefused() throws {
        var receiver = try Self.authentication()
        var sender = try Self.authentication()
        let first = try Self.write(&sender)
        let second = try Self.write(&sender)
        #expect(first != second, "the counter grows while the clock stands")
        #expect(Self.verdict(&receiver, second) == nil)
        #expect(Self.verdict(&receiver, second) == .hmacReplayed)
        #expect(Self.verdict(&receiver, first) == .hmacReplayed)
        // Another receiver has not seen it.
        var other = try Self.authentication()
        #expect(Self.verdict(&other, first) == nil)
    }

    @Test func aForgeryDoesNotMoveTheMark() throws {
        var receiver = try Self.authentication()
        var sender = try Self.authentication()
        var forged = Self.v4Image
        forged[19] = 3  // three seconds ahead
        #expect(Self.verdict(&receiver, forged) == .hmacMismatch)
        #expect(Self.verdict(&receiver, try Self.write(&sender)) == nil)
    }

    @Test(arguments: [(-6, false), (-5, true), (0, true), (5, true), (6, false)])
    func theWindowIsFiveSecondsEachWay(seconds: Int, isBelieved: Bool) throws {
        var receiver = try Self.authentication()
        let verdict = Self.verdict(&receiver, Self.v4Image, wall: Self.wall + .seconds(seconds))
        #expect(verdict == (isBelieved ? nil : .hmacStale))
        #expect(receiver.lastClockDifference == (isBelieved ? nil : Int64(seconds)))
    }

    @Test func theWindowFollowsTheInterval() {
        #expect(HMACAuthentication.Settings.window(interval: .milliseconds(100)) == .seconds(5))
        #expect(HMACAuthentication.Settings.window(interval: .milliseconds(2_010)) == .seconds(7))
    }

    @Test func monotonicModeNeedsNoClock() throws {
        var receiver = try Self.authentication(antiReplay: .monotonic)
        let late = Self.wall + .seconds(86_400)
        #expect(Self.verdict(&receiver, Self.v4Image, wall: late) == nil)
        #expect(Self.verdict(&receiver, Self.v4Image, wall: late) == .hmacReplayed)
        // A sender whose clock was set back keeps growing.
        var sender = try Self.authentication(antiReplay: .monotonic)
        for hour in [2, 1, 0] {
            #expect(Self.verdict(&receiver, try Self.write(&sender, wall: Self.wall + .seconds(3600 * hour))) == nil)
        }
    }

    @Test func aClockThatIsSetStrandsNobody() throws {
        var sender = try Self.authentication()
        var receiver = try Self.authentication()
        let wrong = Self.wall + .seconds(3600)
        #expect(Self.verdict(&receiver, try Self.write(&sender, wall: wrong), wall: wrong) == nil)
        // Both clocks go back by an hour.
        let right = try Self.write(&sender)
        #expect(Self.verdict(&receiver, right) == nil)
        #expect(Self.verdict(&receiver, right) == .hmacReplayed)
    }

    /// What each mode sends, and what it says to a plain, a sealed and a wrongly sealed advertisement.
    @Test(arguments: HMACAuthentication.Mode.allCases)
    func modes(mode: HMACAuthentication.Mode) throws {
        var node = try Self.authentication(mode)
        let sent = try Self.write(&node)
        #expect(sent.count == (mode == .receiveOnly ? 12 : 40))
        let plain = Self.v4.write(from: Self.from, to: Self.to, checksum: .messageOnly)
        #expect(Self.verdict(&node, plain) == (mode == .enforce ? .hmacMissing : nil))
        #expect(Self.verdict(&node, Self.v4Image) == nil)
        var wrong = Self.v4Image
        wrong[39] ^= 1
        #expect(Self.verdict(&node, wrong) == .hmacMismatch)
    }

    @Test func aRouterWithoutKeysRefusesTheTrailer() {
        #expect(throws: Discard.trailingBytes) {
            try Advertisement(parsing: Self.v4Image.span, from: Self.from, to: Self.to, hopLimit: 255)
        }
    }

    @Test func aRotationNeedsNoCommonMoment() throws {
        let (old, new) = (try Self.key(1), try Self.key(2, seed: 0x55))
        // Add, activate, remove: on one node after the other, so every mixture of two neighbouring steps occurs.
        let steps = [([old], 1), ([old, new], 1), ([old, new], 2), ([new], 2)] as [([Key], UInt8)]
        for (before, after) in zip(steps, steps.dropFirst()) {
            for (a, b) in [(before, after), (after, before)] {
                var sender = try Self.authentication(keys: a.0, active: a.1)
                var receiver = try Self.authentication(keys: b.0, active: b.1)
                #expect(Self.verdict(&receiver, try Self.write(&sender)) == nil)
            }
        }
        // A wrong key with a right number is a mismatch, a removed one unknown.
        var sender = try Self.authentication()
        var stranger = try Self.authentication(keys: [try Self.key(1, seed: 9)])
        #expect(Self.verdict(&stranger, try Self.write(&sender)) == .hmacMismatch)
        var rotated = try Self.authentication(keys: [new], active: 2)
        #expect(Self.verdict(&rotated, try Self.write(&sender)) == .hmacUnknownKey)
    }

    @Test func aReloadForgetsNoMark() throws {
        var receiver = try Self.authentication()
        #expect(Self.verdict(&receiver, Self.v4Image) == nil)
        receiver.configure(try Self.authentication(.permissive).settings)
        #expect(Self.verdict(&receiver, Self.v4Image) == .hmacReplayed)
    }

    @Test func aBrokenLibrarySendsNothingAndBelievesNothing() throws {
        var node = try Self.authentication()
        let broken = TestAuthenticator(works: false)
        #expect(
            node.write(Self.v4, from: Self.from, to: Self.to, checksum: .messageOnly, wall: Self.wall, with: broken)
                == nil)
        #expect(throws: Discard.hmacUnverifiable) {
            try node.read(
                Self.v4Image.span, from: Self.from, to: Self.to, hopLimit: 255, wall: Self.wall, with: broken)
        }
    }

    @Test func theTableOfSendersIsBoundedAndForgetsTheOldest() throws {
        var receiver = try Self.authentication()
        func say(_ host: UInt8) throws -> [UInt8] {
            var sender = try Self.authentication()
            return try Self.write(&sender, from: .v4(IPv4Address(198, 51, 100, host)))
        }
        for host in 1...UInt8(HMACAuthentication.maximumSenders + 1) {
            #expect(
                Self.verdict(&receiver, try say(host), from: .v4(IPv4Address(198, 51, 100, host))) == nil)
        }
        #expect(Self.verdict(&receiver, try say(2), from: .v4(IPv4Address(198, 51, 100, 2))) == .hmacReplayed)
        #expect(Self.verdict(&receiver, try say(1), from: .v4(IPv4Address(198, 51, 100, 1))) == nil)
    }

    @Test func secretsHaveALength() {
        #expect(Key(id: 1, secret: Array(repeating: 7, count: 31)) == nil)
        #expect(Key(id: 1, secret: Array(repeating: 7, count: 65)) == nil)
        #expect(Key(id: 1, secret: Array(repeating: 7, count: 64)) != nil)
    }

    /// What is sealed is read, for every kind of message, and no change of octets is believed or traps.
    @Test func propertiesOfTheSeal() throws {
        for seed in Seeds.upTo(300) {
            var generator = SeededGenerator(seed: seed)
            let sample = AdvertisementPropertyTests.Sample(using: &generator)
            var sender = try Self.authentication()
            var receiver = try Self.authentication()
            var bytes = try Self.write(
                &sender, sample.advertisement, from: sample.from, to: sample.to,
                checksum: sample.advertisement.checksumForm)
            let replay = Seeds.replay(seed, "propertiesOfTheSeal")
            for _ in 0..<4 {
                var changed = bytes
                let index = Int.random(in: 0..<changed.count, using: &generator)
                changed[index] ^= UInt8.random(in: 1...255, using: &generator)
                if generator.chance(20) { changed.removeLast(Int.random(in: 1...changed.count, using: &generator)) }
                if generator.chance(20) { changed.append(0) }
                let verdict = Self.verdict(&receiver, changed, from: sample.from, to: sample.to)
                #expect(verdict != nil, "octet \(index); \(replay)")
            }
            let read = try receiver.read(
                bytes.span, from: sample.from, to: sample.to, hopLimit: 255, wall: Self.wall, with: Self.crypto)
            #expect(read == sample.advertisement, "\(replay)")
            bytes.removeLast(HMACTrailer.length)
            let unsealed = Self.verdict(&receiver, bytes, from: sample.from, to: sample.to)
            #expect(unsealed == (sample.from.family == .ipv4 ? .hmacMissing : .badChecksum), "\(replay)")
        }
    }

    @Test func aClockSetBackWhileTheSenderWasDownIsOvertakenByWhatItHears() throws {
        // Two nodes, no clocks in common. The left one dies and comes back in 1970.
        var left = try Self.authentication(antiReplay: .monotonic)
        var right = try Self.authentication(antiReplay: .monotonic)
        #expect(Self.verdict(&right, try Self.write(&left)) == nil)
        left = try Self.authentication(antiReplay: .monotonic)
        let dawn = Duration.seconds(100)
        let lost = try Self.write(&left, wall: dawn)
        #expect(Self.verdict(&right, lost) == .hmacReplayed)
        // The right one took over meanwhile, and one of its adverts is enough.
        let news = try Self.write(&right, from: Self.to, to: Self.from)
        #expect(Self.verdict(&left, news, from: Self.to, to: Self.from, wall: dawn) == nil)
        #expect(Self.verdict(&right, try Self.write(&left, wall: dawn)) == nil)
    }

    @Test func aClockBeyond2038IsNoReasonToBeginAtZero() throws {
        var sender = try Self.authentication(antiReplay: .monotonic)
        let late = Duration.seconds(0x9000_0000)
        let bytes = try Self.write(&sender, wall: late)
        #expect(bytes[16] == 0x90)
    }

    @Test func whoHasNeverFittedAKeyIsKnownToBeUnproven() throws {
        var sender = try Self.authentication(keys: [Self.key(1, seed: 9)])
        var receiver = try Self.authentication()
        let verdict = try #require(Self.verdict(&receiver, try Self.write(&sender)))
        #expect(verdict == .hmacMismatch && verdict.isUnverified && !receiver.hasVerified(Self.from))
        sender = try Self.authentication()
        #expect(Self.verdict(&receiver, try Self.write(&sender)) == nil && receiver.hasVerified(Self.from))
        #expect(!Discard.hmacReplayed.isUnverified && !Discard.badChecksum.isUnverified)
    }
}
