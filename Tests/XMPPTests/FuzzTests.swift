import TestSupport
import Testing
import XML

@testable import XMPP

/// Whatever a server or a contact sends: nothing traps, and every limit holds.
struct FuzzTests {
    private static let corpus = [
        "<query xmlns='http://jabber.org/protocol/bytestreams'><streamhost jid='p.b' host='192.0.2.1' port='7625'/></query>",
        "<query xmlns='jabber:iq:roster' ver='1'><item jid='a@b' subscription='both' ask='subscribe'/></query>",
        "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='store' type='file'/>"
            + "<feature var='urn:xmpp:http:upload:0'/><x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE'>"
            + "<value>urn:xmpp:http:upload:0</value></field><field var='max-file-size'><value>5242880</value></field></x>"
            + "</query>",
        "<presence xmlns='jabber:client' from='bob@b/c' type='error'><priority>1</priority><error type='cancel'>"
            + "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
    ]

    private static let words = [
        "", "0", "-1", "65536", "18446744073709551616", "@", "a@b/c", "both", "unavailable", "unsubscribed", "é\u{301}",
        String(repeating: "a", count: 5000), "urn:xmpp:http:upload:0", "FORM_TYPE", "jabber:x:data",
    ]

    private static func mutate(_ element: XMLElement, using random: inout SeededRandom) -> XMLElement {
        var element = element
        let word = words.randomElement(using: &random) ?? ""
        switch Int.random(in: 0..<8, using: &random) {
        case 0: if let name = element.attributes.keys.sorted().randomElement(using: &random) { element[name] = nil }
        case 1, 2: if let name = element.attributes.keys.sorted().randomElement(using: &random) { element[name] = word }
        case 3: element.children += element.children
        case 4: element.children = [.text(word)]
        case 5: if Bool.random(using: &random) { element.name = word } else { element.namespace = word }
        default: break
        }
        for index in element.children.indices where Bool.random(using: &random) {
            guard case .element(let child) = element.children[index] else { continue }
            element.children[index] = .element(mutate(child, using: &random))
        }
        return element
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func mutatedAnswersAreReadOrRefused(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let corpus = try Self.corpus.map { try XMLElement(parsing: $0) }
        var contact = ContactPresence(account: try #require(JID("bob@b")))
        var readCount = 0
        for round in 0..<4000 {
            var element = corpus[round % corpus.count]
            for _ in 0...(round % 3) { element = Self.mutate(element, using: &random) }
            if let hosts = try? ProxyDiscovery.streamHosts(in: element) {
                readCount += 1
                #expect(hosts.allSatisfy { $0.port > 0 && !$0.host.isEmpty } && hosts.count <= 16)
            }
            if let roster = try? Roster(element) {
                readCount += 1
                #expect(roster.items.keys.allSatisfy { $0.isBare })
            }
            if let info = try? ServiceDiscoveryInfo(element) {
                readCount += HTTPUploadDiscovery(info) == nil ? 0 : 1
                _ = ProxyDiscovery.isProxy(info)
            }
            if let presence = try? Presence(element) {
                readCount += 1
                contact.note(presence)
                #expect(contact.devices.keys.allSatisfy { $0.bare == contact.account })
            }
            _ = StreamManagement.isOffered(in: element)
        }
        #expect(readCount > 1000)
    }
}
