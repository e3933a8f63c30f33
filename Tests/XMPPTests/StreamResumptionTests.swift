import Testing
import XML

@testable import XMPP

/// XEP-0198 § 5 in the negotiation of a stream.
struct StreamResumptionTests {
    static let sm = StreamManagementTests.sm
    static let offer = "<stream:features><sm \(sm)/></stream:features>"

    /// A client that has logged in again, and whose server then offers this.
    static func loggedIn(
        offered features: String
    ) throws -> (session: StreamNegotiationTests.Session, actions: [StreamNegotiation.Action]) {
        var session = try StreamNegotiationTests.Session()
        session.machine = StreamNegotiation(
            account: try #require(StreamNegotiationTests.account), password: Password("pencil"), resource: "sleigh.1",
            resumption: StreamResumption(id: "x", handledCount: 7), cryptography: TestCryptography())
        _ = session.secure(StreamNegotiationTests.tls13)
        _ = session.server(StreamNegotiationTests.header + StreamNegotiationTests.mechanisms(["PLAIN"]))
        _ = session.server("<success \(StreamNegotiationTests.sasl)/>")
        let actions = session.server(StreamNegotiationTests.header + features)
        return (session, actions)
    }

    @Test func theStreamGoesOn() throws {
        var (session, actions) = try Self.loggedIn(offered: Self.offer)
        #expect(actions == [.send("<resume \(Self.sm) h='7' previd='x'/>")])
        #expect(session.server("<resumed \(Self.sm) previd='x' h='4294967295'/>") == [.resumed(handledCount: .max)])
        // What follows belongs to the caller.
        #expect(session.server("<message/>") == [])
    }

    static let answers: [(String, StreamNegotiationError)] = [
        (
            "<failed \(sm) h='3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
            .resumptionRefused(StanzaError(.itemNotFound, kind: .cancel))
        ),
        ("<failed \(sm)/>", .resumptionRefused(StanzaError(.undefinedCondition, kind: .cancel))),
        ("<resumed \(sm) h='3'/>", .unexpectedElement("resumed")),
        ("<resumed \(sm) previd='y' h='3'/>", .unexpectedElement("resumed")),
        ("<resumed \(sm) previd='x'/>", .unexpectedElement("resumed")),
        ("<resumed \(sm) previd='x' h='-1'/>", .unexpectedElement("resumed")),
        ("<enabled \(sm) id='x' resume='true'/>", .unexpectedElement("enabled")),
        ("<r \(sm)/>", .unexpectedElement("r")),
        ("<message/>", .unexpectedElement("message")), ("</stream:stream>", .streamEnded),
    ]

    @Test(arguments: answers.indices) func thereIsNoResumption(index: Int) throws {
        let (answer, error) = Self.answers[index]
        var session = try Self.loggedIn(offered: Self.offer).session
        #expect(session.server(answer) == [.failed(error)])
    }

    @Test func aServerThatOffersItNoMoreIsNotAsked() throws {
        let (_, actions) = try Self.loggedIn(offered: StreamNegotiationTests.bindFeatures)
        #expect(actions == [.failed(.resumptionRefused(StanzaError(.featureNotImplemented, kind: .cancel)))])
    }
}
