import Testing

@testable import XMPP

struct JIDTests {
    // RFC 7622 § 3.5, table 1, and more.
    static let valid: [(String, String?, String, String?)] = [
        ("juliet@example.com", "juliet", "example.com", nil),
        ("juliet@example.com/foo", "juliet", "example.com", "foo"),
        ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
        ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
        ("foo\\20bar@example.com", "foo\\20bar", "example.com", nil),
        ("fussball@example.com", "fussball", "example.com", nil),
        ("fu\u{DF}ball@example.com", "fu\u{DF}ball", "example.com", nil),
        ("\u{3C0}@example.com", "\u{3C0}", "example.com", nil),
        ("\u{3A3}@example.com/foo", "\u{3C3}", "example.com", "foo"),
        ("\u{3C3}@example.com/foo", "\u{3C3}", "example.com", "foo"),
        ("\u{3C2}@example.com/foo", "\u{3C2}", "example.com", "foo"),
        ("king@example.com/\u{265A}", "king", "example.com", "\u{265A}"),
        ("example.com", nil, "example.com", nil),
        ("example.com/foobar", nil, "example.com", "foobar"),
        ("a.example.com/b@example.net", nil, "a.example.com", "b@example.net"),
        ("Juliet@Example.COM/Balcony", "juliet", "example.com", "Balcony"),
        ("juliet@example.com./a/b", "juliet", "example.com", "a/b"),
        ("a@192.0.2.1", "a", "192.0.2.1", nil),
        ("a@[2001:db8::1]/r", "a", "[2001:db8::1]", "r"),
        ("a@localhost", "a", "localhost", nil),
        ("a@my_host.example", "a", "my_host.example", nil),
        ("a@b\u{FC}cher.example", "a", "b\u{FC}cher.example", nil),
        ("a@example.com/x\u{A0}y", "a", "example.com", "x y"),
        (String(repeating: "a", count: 1023) + "@example.com", String(repeating: "a", count: 1023), "example.com", nil),
    ]

    @Test(arguments: valid)
    func acceptsAndNormalises(_ text: String, _ local: String?, _ domain: String, _ resource: String?) throws {
        let jid = try #require(JID(text))
        #expect(jid.local == local)
        #expect(jid.domain == domain)
        #expect(jid.resource == resource)
        #expect(JID(jid.description) == jid)
    }

    // RFC 7622 § 3.5, table 2, and more.
    static let invalid = [
        "\"juliet\"@example.com", "foo bar@example.com", "juliet@example.com/ foo", "@example.com/", "@example.com",
        "henry\u{2163}@example.com", "\u{265A}@example.com", "juliet@", "/foobar", "", "@", "/", "a@/b",
        "juliet@example.com/", "a@b@example.com", "a@exa mple.com", "a@example..com", "a@.example.com", "a@.",
        "a'b@example.com", "a&b@example.com", "a:b@example.com", "<a>@example.com", "a@example.com:5222",
        "a@[::1", "a@::1", "a@[x]", "a@[]", "a@exa<mple.com", "a\u{0}@example.com", "a@example.com/\u{0}",
        "a@example.com/\u{1B}[2J", "a@example.com/\u{202E}b", "a@example.com/\u{2028}", "a\u{200B}@example.com",
        "a@example.com/\n", String(repeating: "a", count: 1024) + "@example.com",
        "a@" + String(repeating: "a", count: 1024), "a@example.com/" + String(repeating: "a", count: 1024),
    ]

    @Test(arguments: invalid)
    func refuses(_ text: String) {
        #expect(JID(text) == nil)
    }

    @Test func comparesByPreparedParts() throws {
        let jid = try #require(JID("Romeo@Montague.example/Orchard"))
        #expect(jid == JID("romeo@montague.example/Orchard"))
        #expect(jid != JID("romeo@montague.example/orchard"))
        #expect(jid.bare == JID("romeo@montague.example"))
        #expect(jid.bare.isBare && !jid.isBare)
        #expect(jid.bare.with(resource: "a") == JID("romeo@montague.example/a"))
        #expect(jid.with(resource: "") == nil)
    }
}
