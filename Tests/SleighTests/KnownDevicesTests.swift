import Foundation
import SecureChannels
import Testing
import XMPP

@testable import sleigh

@Suite struct KnownDevicesTests {
    let folder = FileManager.default.temporaryDirectory.appending(path: "sleigh-\(UUID().uuidString)").path
    let first: Fingerprint
    let second: Fingerprint

    init() throws {
        first = try #require(Fingerprint(bytes: [UInt8](repeating: 1, count: 32)))
        second = try #require(Fingerprint(bytes: [UInt8](repeating: 2, count: 32)))
    }

    private func withDevices(_ body: (KnownDevices) throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(KnownDevices(folder: folder))
    }

    private func jid(_ text: String) throws -> JID { try #require(JID(text)) }

    @Test func aDeviceIsNewOnceAndThenKnown() throws {
        try withDevices { devices in
            let peer = try jid("bob@b.example/desk")
            #expect(try devices.verdict(for: peer, fingerprint: first) == .new(knowsOthers: false))
            #expect(try devices.remember(peer, fingerprint: first) == .new(knowsOthers: false))
            #expect(try devices.remember(peer, fingerprint: first) == .known)
            let other = try jid("bob@b.example/laptop")
            #expect(try devices.verdict(for: other, fingerprint: second) == .new(knowsOthers: true))
        }
    }

    /// Two first contacts at the same time: the later one is a change.
    @Test func aSecondCertificateIsNeverRemembered() throws {
        try withDevices { devices in
            let peer = try jid("bob@b.example/desk")
            _ = try devices.remember(peer, fingerprint: first)
            #expect(try devices.remember(peer, fingerprint: second) == .changed(known: first.description))
            #expect(try devices.verdict(for: peer, fingerprint: first) == .known)
        }
    }

    @Test(arguments: [
        ("sleigh-4f2a9c", "sleigh-4f2a9c.0a1b2c", true), ("a.host", "b.host", false), ("office.x", "office.y", false),
        ("office", "office.0A1B2C", false), ("office", "office.0a1b2", false), (".0a1b2c", ".0a1b2d", false),
    ])
    func theRandomPartOfASendersResourceDoesNotCount(_ one: String, _ other: String, isSame: Bool) throws {
        try withDevices { devices in
            _ = try devices.remember(try jid("bob@b.example/\(one)"), fingerprint: first)
            let verdict = try devices.verdict(for: try jid("bob@b.example/\(other)"), fingerprint: first)
            #expect(verdict == (isSame ? .known : .new(knowsOthers: true)))
        }
    }

    @Test func theFileIsForItsOwnerOnly() throws {
        try withDevices { devices in
            _ = try devices.remember(try jid("bob@b.example/desk"), fingerprint: first)
            let attributes = try FileManager.default.attributesOfItem(atPath: devices.path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }
}
