import Testing
import XML

@testable import XMPP

struct DiscoveryTests {
    static let features = [
        "http://jabber.org/protocol/muc", "http://jabber.org/protocol/disco#items",
        "http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info",
    ]

    // XEP-0115 § 5.2
    @Test func simpleVerificationString() throws {
        let info = ServiceDiscoveryInfo(
            identities: [.init(category: "client", type: "pc", name: "Exodus 0.9.1")], features: Self.features)
        let caps = EntityCapabilities(node: "http://code.google.com/p/exodus", of: info, sha1: sha1)
        #expect(caps.ver == "QgayPKawpkPSDYmwT/WM94uAlu0=")
        #expect(caps.queryNode == "http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0=")
        #expect(EntityCapabilities(caps.element) == caps)
        #expect(caps.verify(info, sha1: sha1))
        var other = info
        other.features.append("urn:xmpp:jingle:1")
        #expect(!caps.verify(other, sha1: sha1))
    }

    static func complexInfo() throws -> ServiceDiscoveryInfo {
        let iq = try IQ(try Fixture.stanza(1))
        guard case .result(let query?) = iq.content else { throw StanzaParseError.missing("query") }
        return try ServiceDiscoveryInfo(query)
    }

    // XEP-0115 § 5.3
    @Test func complexVerificationString() throws {
        let info = try Self.complexInfo()
        #expect(info.identities.count == 2)
        #expect(info.isA("client", "pc") && !info.isA("client", "console"))
        #expect(info.has("http://jabber.org/protocol/muc") && !info.has("urn:xmpp:jingle:1"))
        #expect(info.forms.first?.fields.first { $0.name == "ip_version" }?.values == ["ipv4", "ipv6"])
        let presence = try Presence(try Fixture.stanza(8))
        let caps = try #require(EntityCapabilities(presence))
        #expect(caps.ver == "q07IKJEyjvHSyhy//CH0CxmKi8w=")
        #expect(caps.verify(info, sha1: sha1))
    }

    @Test func formsWithoutAHiddenTypeDoNotCount() throws {
        var info = try Self.complexInfo()
        let caps = EntityCapabilities(node: "n", of: info, sha1: sha1)
        let form = try XMLElement(
            parsing: "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'><value>urn:y</value></field>"
                + "<field var='a'><value>b</value></field></x>")
        info.forms.append(try #require(DataForm(form)))
        #expect(caps.verify(info, sha1: sha1))
    }

    @Test func answersThatCouldPassForOthersAreNotVerified() throws {
        let info = try Self.complexInfo()
        var variants = [info, info, info, info]
        variants[0].features.append(info.features[0])
        variants[1].identities.append(info.identities[0])
        variants[2].forms.append(info.forms[0])
        variants[3].forms[0].fields[0].values.append("urn:other")
        for variant in variants {
            let caps = EntityCapabilities(node: "n", of: variant, sha1: sha1)
            #expect(!caps.verify(variant, sha1: sha1))
        }
        var caps = EntityCapabilities(node: "n", of: info, sha1: sha1)
        #expect(caps.verify(info, sha1: sha1))
        caps.hash = "sha-256"
        #expect(!caps.verify(info, sha1: sha1))
        caps.hash = nil
        #expect(!caps.verify(info, sha1: sha1))
    }

    @Test(arguments: [
        "<query xmlns='jabber:iq:version'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info'><identity type='pc'/></query>",
        "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client'/></query>",
        "<query xmlns='http://jabber.org/protocol/disco#info'><feature/></query>",
    ])
    func invalidInfoIsRefused(_ text: String) throws {
        let element = try XMLElement(parsing: text)
        #expect(throws: StanzaParseError.self) { try ServiceDiscoveryInfo(element) }
    }

    @Test func theRegistryAnswers() throws {
        let registry = ServiceDiscoveryRegistry(features: ["urn:xmpp:jingle:1", Ping.namespace], sha1: sha1)
        #expect(
            registry.features == [
                "http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info",
                "urn:xmpp:hash-function-text-names:sha-256", "urn:xmpp:hashes:2", "urn:xmpp:jingle:1",
                "urn:xmpp:ping",
            ])
        let peer = try #require(JID("a@b/c"))
        for node in [nil, registry.capabilities.queryNode] {
            let request = IQ(from: peer, to: nil, id: "1", content: .get(ServiceDiscoveryInfo.request(node: node)))
            let answer = try #require(registry.answer(to: request))
            #expect(answer.to == peer)
            #expect(answer.id == "1")
            guard case .result(let payload?) = answer.content else { return #expect(Bool(false), "no result") }
            let info = try ServiceDiscoveryInfo(payload)
            #expect(info.node == node)
            #expect(info.isA("client", "console"))
            #expect(registry.capabilities.verify(info, sha1: sha1))
        }
        let unknown = IQ(from: peer, to: nil, id: "1", content: .get(ServiceDiscoveryInfo.request(node: "other")))
        #expect(registry.answer(to: unknown)?.content == .error(StanzaError(.itemNotFound, kind: .cancel)))
        #expect(registry.answer(to: IQ(to: nil, id: "1", content: .get(Ping.request))) == nil)
        #expect(registry.answer(to: IQ(to: nil, id: "1", content: .set(ServiceDiscoveryInfo.request()))) == nil)
    }

    @Test func itemsKeepOnlyAddresses() throws {
        let element = try XMLElement(
            parsing: "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='proxy.example'/>"
                + "<item jid='@'/><item/><item jid='a.example' node='n'/><item jid='b.example' name='B'/></query>")
        #expect(try ServiceDiscoveryItems(element).addresses.map(\.description) == ["proxy.example", "b.example"])
        #expect(throws: StanzaParseError.wrongElement) { try ServiceDiscoveryItems(Ping.request) }
    }
}
