import Logging
import Testing
import XMPP

@testable import Client

extension LogInTests {
    @Test func otherDevicesOfTheAccountAreSeen() async throws {
        let desk = try await logIn("alice@modern.test", resource: "desk")
        let alone = try await desk.presence(of: desk.address)
        #expect(alone.devices.isEmpty && alone.isUnknown)
        let phone = try await logIn("alice@modern.test", resource: "phone")
        try await phone.becomeAvailable(priority: 3)
        let seen = try await desk.presence(of: desk.address)
        #expect(seen.devices.mapValues(\.priority) == [phone.address: 3])
        await phone.close()
        await desk.close()
        await #expect(throws: StanzaChannelError.self) { try await desk.presence(of: desk.address) }
    }

    @Test func strangersShareNoPresence() async throws {
        let alice = try await logIn("alice@modern.test")
        let bob = try await logIn("bob@modern.test", resource: "desk")
        try await bob.becomeAvailable()
        #expect(try await alice.roster().items.isEmpty)
        let seen = try await alice.presence(of: bob.address, limit: .milliseconds(300))
        #expect(seen.isUnknown)
        await bob.close()
        await alice.close()
    }

    /// Also where contacts got no presence, as before a file goes to a device that was named.
    @Test(arguments: [false, true])
    func directedPresenceIsTakenBack(isAvailable: Bool) async throws {
        let alice = try await logIn("alice@modern.test")
        let bob = try await logIn("bob@modern.test", resource: "desk")
        var presences = bob.presences().makeAsyncIterator()
        if isAvailable { try await alice.becomeAvailable() }
        try await alice.sendDirectedPresence(to: bob.address)
        let first = await presences.next()
        #expect(first?.kind == .available && first?.from == alice.address)
        await alice.close()
        let last = await presences.next()
        #expect(last?.kind == .unavailable && last?.from == alice.address)
        await bob.close()
    }

    @Test func theServerSaysWhatItOffers() async throws {
        let alice = try await logIn("alice@modern.test")
        let features = try await alice.serverFeatures()
        #expect(features.hasCarbons && features.hasExternalServices)
        #expect(!features.hasStreamManagement && features.proxies.isEmpty && features.uploads.isEmpty)
        await alice.close()
    }

    @Test func aFreshQuestionIsAsked() async throws {
        let alice = try await logIn("alice@modern.test", resource: "desk")
        let bob = try await logIn("bob@modern.test", resource: "desk")
        #expect(try await alice.discover(bob.address, isFresh: true).has("urn:example:feature"))
        await bob.close()
        await #expect(throws: StanzaError.self) { try await alice.discover(bob.address, isFresh: true) }
        await alice.close()
    }
}
