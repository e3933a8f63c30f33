import SecureChannels
import Testing
import XML

@testable import XMPP

/// What a server and its components say they offer.
struct ServerDiscoveryTests {
    private func query(_ content: String) throws -> XMLElement {
        try XMLElement(parsing: "<query xmlns='http://jabber.org/protocol/bytestreams'>\(content)</query>")
    }

    private func info(_ content: String) throws -> ServiceDiscoveryInfo {
        try ServiceDiscoveryInfo(
            XMLElement(parsing: "<query xmlns='http://jabber.org/protocol/disco#info'>\(content)</query>"))
    }

    // MARK: XEP-0065

    // XEP-0065 § 4, examples
    @Test func proxiesAreRead() throws {
        let hosts = try ProxyDiscovery.streamHosts(
            in: query("<streamhost jid='streamer.shakespeare.lit' host='24.24.24.1' port='7625'/>"))
        #expect(hosts.map(\.address.description) == ["streamer.shakespeare.lit"])
        #expect(hosts.map(\.host) == ["24.24.24.1"])
        #expect(hosts.map(\.port) == [7625])
        #expect(ProxyDiscovery.isProxy(try info("<identity category='proxy' type='bytestreams' name='x'/>")))
        #expect(!ProxyDiscovery.isProxy(try info("<identity category='proxy' type='http'/>")))
        #expect(ProxyDiscovery.request.serialized() == "<query xmlns='http://jabber.org/protocol/bytestreams'/>")
    }

    @Test(arguments: [
        "<streamhost host='a' port='1'/>", "<streamhost jid='@' host='a' port='1'/>", "<streamhost jid='p' port='1'/>",
        "<streamhost jid='p' host='' port='1'/>", "<streamhost jid='p' host='a b' port='1'/>",
        "<streamhost jid='p' host='a&#10;' port='1'/>", "<streamhost jid='p' host='&#xE9;' port='1'/>",
        "<streamhost jid='p' host='a'/>", "<streamhost jid='p' host='a' port='0'/>",
        "<streamhost jid='p' host='a' port='65536'/>", "<streamhost jid='p' host='a' port='-1'/>",
        "<streamhost jid='p' host='a' zeroconf='_jabber.bytestreams'/>",
        "<streamhost xmlns='urn:other' jid='p' host='a' port='1'/>", "<streamhost-used jid='p'/>", "text", "",
    ])
    func uselessProxiesAreLeftOut(_ text: String) throws {
        #expect(try ProxyDiscovery.streamHosts(in: query(text)) == [])
    }

    @Test func proxiesAreBounded() throws {
        let one = "<streamhost jid='p' host='a' port='1'/>"
        #expect(try ProxyDiscovery.streamHosts(in: query(String(repeating: one, count: 500))).count == 16)
        #expect(throws: StanzaParseError.wrongElement) { try ProxyDiscovery.streamHosts(in: Ping.request) }
        let long = String(repeating: "a", count: 256)
        #expect(try ProxyDiscovery.streamHosts(in: query("<streamhost jid='p' host='\(long)' port='1'/>")) == [])
    }

    // XEP-0260 § 2.2, examples; and captures of Dino, as the responder, and Libervia, as the initiator
    @Test(arguments: [
        (
            "vj3hs98y", "romeo@montague.lit/orchard", "juliet@capulet.lit/balcony",
            "972b7bf47291ca609517f67f86b5081086052dad"
        ),
        (
            "vj3hs98y", "juliet@capulet.lit/balcony", "romeo@montague.lit/orchard",
            "1a12fb7bc625e55f3ed5b29a53dbe0e4aa7d80ba"
        ),
        (
            "7fc0c5cb-1ea4-4f17-83a9-fd56e9222739", "bob@lab.test/dino", "alice@lab.test/gajim",
            "c0333597203325e42ba196d8a4c1f8c3b1d2f0e7"
        ),
        (
            "d3214304-b466-4702-a2cc-668ede8617a4", "alice@lab.test/libervia.joyrftWHkAPErrLNzZXdTN",
            "bob@lab.test/dino", "3d3a124232dbe3a3f6b736b29d6d2dfae66ce483"
        ),
    ])
    func destinationAddressIsThatOfOthers(sid: String, requester: String, target: String, expected: String) throws {
        let address = SOCKS5Bytestream.destinationAddress(
            sid: sid, requester: try #require(JID(requester)), target: try #require(JID(target)),
            sha1: DigestAlgorithm.sha1.hash)
        #expect(address == expected)
    }

    // XEP-0065 § 6.3.5, and the captures
    @Test func activationIsThatOfOthers() throws {
        let payload = SOCKS5Bytestream.activation(sid: "vxf9n471bn46", target: try #require(JID("t@example.org/bar")))
        let expected = "<activate>t@example.org/bar</activate>"
        #expect(
            payload.serialized()
                == "<query xmlns='http://jabber.org/protocol/bytestreams' sid='vxf9n471bn46'>\(expected)</query>")
    }

    // MARK: XEP-0363

    private static let uploadFeature = "<feature var='urn:xmpp:http:upload:0'/>"

    private static func form(_ type: String, _ size: String) -> String {
        "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>\(type)</value></field>"
            + "<field var='max-file-size'>\(size)</field></x>"
    }

    @Test(arguments: [
        (form("urn:xmpp:http:upload:0", "<value>5242880</value>"), 5_242_880 as UInt64?),
        (form("urn:xmpp:http:upload:0", "<value>18446744073709551615</value>"), UInt64.max),
        (form("urn:xmpp:http:upload:0", "<value>18446744073709551616</value>"), nil),
        (form("urn:xmpp:http:upload:0", "<value>-1</value>"), nil),
        (form("urn:xmpp:http:upload:0", "<value>1e9</value>"), nil), (form("urn:xmpp:http:upload:0", "<value/>"), nil),
        (form("urn:xmpp:http:upload:0", ""), nil), (form("urn:other", "<value>1</value>"), nil), ("", nil),
        ("<x xmlns='jabber:x:data'/>", nil),
    ])
    func uploadLimitIsRead(form: String, limit: UInt64?) throws {
        let upload = try #require(HTTPUploadDiscovery(try info(Self.uploadFeature + form)))
        #expect(upload.maximumFileByteCount == limit)
    }

    @Test func othersAreNoUploadService() throws {
        #expect(HTTPUploadDiscovery(try info("<identity category='store' type='file'/>")) == nil)
    }

    // MARK: XEP-0198

    @Test(arguments: [
        ("<sm xmlns='urn:xmpp:sm:3'/>", true), ("<sm xmlns='urn:xmpp:sm:2'/>", false),
        ("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", false), ("", false),
    ])
    func streamManagementIsSeen(text: String, isOffered: Bool) throws {
        let features = try XMLElement(
            parsing: "<features xmlns='http://etherx.jabber.org/streams'>\(text)</features>")
        #expect(StreamManagement.isOffered(in: features) == isOffered)
    }
}
