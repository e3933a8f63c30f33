import Testing
import XML

@testable import XMPP

/// Contacts and what their presence tells (RFC 6121).
struct ContactTests {
    private func roster(_ items: String) throws -> Roster {
        try Roster(XMLElement(parsing: "<query xmlns='jabber:iq:roster'>\(items)</query>"))
    }

    @Test(arguments: [
        ("<item jid='a@b' subscription='both'/>", Roster.Subscription.both, false),
        ("<item jid='A@B/c' subscription='to' name='x'><group>g</group></item>", .to, false),
        ("<item jid='a@b' subscription='from' ask='subscribe'/>", .from, true),
        ("<item jid='a@b' ask='subscribe'/>", .none, true), ("<item jid='a@b' ask='other'/>", .none, false),
    ])
    func rosterIsRead(text: String, subscription: Roster.Subscription, isAsking: Bool) throws {
        let address = try #require(JID("a@b"))
        #expect(try roster(text).items == [address: .init(subscription: subscription, isAsking: isAsking)])
        #expect(subscription.seesContact == [.to, .both].contains(subscription))
    }

    @Test(arguments: [
        "<item subscription='both'/>", "<item jid='@' subscription='both'/>", "<item jid='' subscription='both'/>",
        "<item jid='a@b' subscription='remove'/>", "<item jid='a@b' subscription='BOTH'/>",
        "<item jid='a@b' subscription=''/>", "<item xmlns='urn:other' jid='a@b'/>", "text", "",
    ])
    func uselessContactsAreLeftOut(_ text: String) throws { #expect(try roster(text).items.isEmpty) }

    @Test func rosterIsBounded() throws {
        let items = (0..<10_500).map { "<item jid='u\($0)@b' subscription='both'/>" }.joined()
        #expect(try roster(items).items.count == Roster.maximumCount)
        #expect(throws: StanzaParseError.wrongElement) { try Roster(Ping.request) }
    }

    // MARK: Presence

    private func contact(_ stanzas: [String]) throws -> ContactPresence {
        var contact = ContactPresence(account: try #require(JID("bob@b/ignored")))
        for text in stanzas { contact.note(try Presence(XMPPTests.stanza(text))) }
        return contact
    }

    @Test func devicesComeAndGo() throws {
        let desk = "<presence from='bob@b/desk'><priority>5</priority></presence>"
        let phone = "<presence from='bob@b/phone'/>"
        let both = try contact([desk, phone, desk])
        #expect(both.devices.keys.map(\.description).sorted() == ["bob@b/desk", "bob@b/phone"])
        #expect(both.devices[try #require(JID("bob@b/desk"))]?.priority == 5)
        #expect(both.absence == nil)
        let one = try contact([desk, phone, "<presence from='bob@b/desk' type='unavailable'/>"])
        #expect(one.devices.count == 1 && one.absence == nil)
        let none = try contact([desk, "<presence from='bob@b/desk' type='unavailable'/>"])
        #expect(none.devices.isEmpty && none.absence == .offline)
    }

    @Test func devicesInTheOrderToPreferThem() throws {
        func presence(_ resource: String, _ priority: Int, _ stamp: String?) -> String {
            let delay = stamp.map { "<delay xmlns='urn:xmpp:delay' stamp='\($0)'/>" } ?? ""
            return "<presence from='bob@b/\(resource)'><priority>\(priority)</priority>\(delay)</presence>"
        }
        let contact = try contact([
            presence("quiet", -1, nil), presence("old", 0, "2026-01-01T00:00:00Z"),
            presence("new", 0, "2026-01-02T00:00:00Z"), presence("now", 0, nil), presence("also-now", 0, nil),
            presence("first", 5, "2020-01-01T00:00:00Z"),
        ])
        #expect(
            contact.devicesByPreference.map(\.address.resource) == ["first", "also-now", "now", "new", "old", "quiet"])
        #expect(contact.devicesByPreference.map(\.priority) == [5, 0, 0, 0, 0, -1])
    }

    @Test(
        arguments: [
            ("<presence from='bob@b' type='unavailable'/>", .offline),
            ("<presence from='bob@b' type='unsubscribed'/>", .notShared),
            (
                "<presence from='bob@b' type='error'><error type='cancel'><remote-server-not-found "
                    + "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
                .refused(StanzaError(.remoteServerNotFound, kind: .cancel))
            ),
            ("<presence from='bob@b' type='error'/>", .refused(StanzaError(.undefinedCondition, kind: .cancel))),
        ] as [(String, ContactPresence.Absence)])
    func absenceIsTold(text: String, absence: ContactPresence.Absence) throws {
        let contact = try contact([text])
        #expect(contact.absence == absence && !contact.isUnknown)
    }

    @Test(arguments: [
        "<presence/>", "<presence from='carol@b/desk'/>", "<presence from='bob@b'/>", "<presence from='b'/>",
        "<presence from='bob@b' type='subscribe'/>", "<presence from='carol@b' type='unsubscribed'/>",
    ])
    func othersTellNothing(_ text: String) throws {
        let contact = try contact([text])
        #expect(contact.isUnknown && contact.devices.isEmpty && contact.absence == nil)
    }

    @Test func devicesAreBounded() throws {
        let contact = try contact((0..<200).map { "<presence from='bob@b/r\($0)'/>" })
        #expect(contact.devices.count == ContactPresence.maximumDeviceCount)
    }
}
