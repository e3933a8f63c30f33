import SecureChannels
import Testing
import XMPP

@testable import Client

@Suite struct DiscoveryCacheTests {
    let info = ServiceDiscoveryInfo(identities: [], features: ["urn:example:a"])

    var capabilities: EntityCapabilities {
        EntityCapabilities(node: "urn:example", of: info) { DigestAlgorithm.sha1.hash($0) }
    }

    @Test func keepsWhatTheHashProves() {
        var cache = DiscoveryCache()
        cache.keep(info, for: capabilities)
        #expect(cache.info(for: capabilities) == info)
    }

    /// XEP-0115 § 9.2: somebody announces the hash of another's features, and answers with features of his own.
    @Test func doesNotKeepWhatTheHashDisproves() {
        var cache = DiscoveryCache()
        cache.keep(ServiceDiscoveryInfo(identities: [], features: ["urn:example:evil"]), for: capabilities)
        #expect(cache.info(for: capabilities) == nil)
    }

    @Test func followsPresence() throws {
        var cache = DiscoveryCache()
        let address = try #require(JID("me@example.org/a"))
        cache.note(Presence(from: address, payloads: [capabilities.element]))
        #expect(cache.capabilities(of: address) == capabilities)
        cache.note(Presence(from: address, kind: .unavailable))
        #expect(cache.capabilities(of: address) == nil)
    }

    @Test func isBounded() throws {
        var cache = DiscoveryCache()
        let account = try #require(JID("me@example.org"))
        let addresses = (0...DiscoveryCache.maximumCount).compactMap { account.with(resource: "\($0)") }
        for address in addresses { cache.note(Presence(from: address, payloads: [capabilities.element])) }
        #expect(addresses.count { cache.capabilities(of: $0) != nil } == DiscoveryCache.maximumCount)
    }
}
