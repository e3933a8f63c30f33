import Jingle
import Testing
import XML
import XMPP

/// Stanzas of Gajim 1.7, Dino 0.4 and Libervia 0.9, as they were seen.
@Suite struct CaptureTests {
    @Test func areThere() { #expect(Fixture.names.count >= 11) }

    @Test(arguments: Fixture.names)
    func everyJingleElementKeepsItsMeaning(name: String) throws {
        for element in try Fixture.payloads(name, namespace: Jingle.namespace) where element.name == "jingle" {
            let written = try JingleStanza(element).element
            #expect(normalized(written).canonical == normalized(element).canonical)
            #expect(try JingleStanza(written.overTheWire()) == JingleStanza(element))
        }
    }

    @Test(arguments: Fixture.names)
    func everyJingleMessageKeepsItsMeaning(name: String) throws {
        for element in try Fixture.payloads(name, namespace: JingleMessage.namespace) {
            let message = try JingleMessage(element)
            #expect(try JingleMessage(message.element.overTheWire()) == message)
        }
    }

    /// Writes as sleigh does what the clients write in another way.
    private func normalized(_ element: XMLElement) -> XMLElement {
        var result = XMLElement(element.name, namespace: element.namespace, attributes: element.attributes)
        if element.name == "hash", let hash = Hash(element) { return hash.element }
        // The defaults of XEP-0260 and XEP-0261, which some write and others do not.
        if element.name == "transport", element["mode"] == "tcp" { result["mode"] = nil }
        if element.name == "transport", element["stanza"] == "iq" { result["stanza"] = nil }
        if element.name == "mediaType" { result.name = "media-type" }
        if element.name == "failed_transport" { result.name = "failed-transport" }
        if element.matches("description", namespace: FileDescription.namespace), element.elements.isEmpty {
            result.append(XMLElement("file", namespace: element.namespace))
        }
        for child in element.elements {
            // Empty descriptions say nothing; dates are written in UTC and without fractions.
            if child.name == "desc", child.text.isEmpty { continue }
            if child.name == "date" { continue }
            result.append(normalized(child))
        }
        if element.elements.isEmpty { result.children = element.text.isEmpty ? [] : [.text(element.text)] }
        return result
    }

    struct Offer: Sendable, CustomTestStringConvertible {
        var fixture: String
        var file: FileDescription
        var transport: String
        var testDescription: String { fixture }
    }

    static let offers: [Offer] = [
        Offer(
            fixture: "gajim-to-dino-s5b-direct.xml",
            file: file("f3m.bin", 3_000_000) { $0.date = Timestamp("2026-11-22T19:05:28Z") },
            transport: "urn:xmpp:jingle:transports:s5b:1"),
        Offer(
            fixture: "dino-to-gajim-ibb.xml", file: file("f300k.bin", 300_000) { _ in },
            transport: "urn:xmpp:jingle:transports:s5b:1"),
        Offer(
            fixture: "libervia-to-dino-s5b-direct.xml",
            file: file("f3m.bin", 3_000_000) {
                $0.mediaType = "application/octet-stream"
                $0.range = FileDescription.Range()
                $0.hashesUsed = [.sha256]
            }, transport: "urn:xmpp:jingle:transports:s5b:1"),
    ]

    private static func file(
        _ name: String, _ size: UInt64, _ change: (inout FileDescription) -> Void
    ) -> FileDescription {
        var file = FileDescription(name: name, size: size)
        change(&file)
        return file
    }

    @Test(arguments: offers)
    func offersSayWhatTheySay(offer: Offer) throws {
        let stanzas = try Fixture.payloads(offer.fixture, namespace: Jingle.namespace).map { try JingleStanza($0) }
        let initiate = try #require(stanzas.first { $0.action == .sessionInitiate })
        let content = try #require(initiate.contents.first)
        #expect(initiate.contents.count == 1)
        #expect(content.file == offer.file)
        #expect(content.direction == .initiator)
        #expect(content.transport?.namespace == offer.transport)
        #expect(initiate.initiator != nil)
    }

    @Test func liberviasChecksumIsUnderstood() throws {
        let stanzas = try Fixture.payloads("libervia-to-dino-s5b-direct.xml", namespace: Jingle.namespace)
        let payload = try #require(
            try stanzas.map { try JingleStanza($0) }.first { $0.action == .sessionInfo }?.payload.first)
        guard case .checksum(let reference, let file) = try SessionInfo(payload) else {
            Issue.record("not a checksum")
            return
        }
        #expect(reference.name == "e2522536-4947-4f01-99e4-389423f68d39")
        let digest = try #require(file.hashes.first)
        #expect(digest.value.count == 32)
        #expect(Array(digest.value.prefix(4)) == [0xe0, 0xd4, 0x6a, 0x03])
    }

    /// The part of each side in the captured sessions, played by a machine: whatever the real peer sent is taken
    /// without an error, in the order it was sent.
    @Test(arguments: [
        "gajim-to-dino-s5b-direct.xml", "libervia-to-dino-s5b-direct.xml", "libervia-to-libervia-s5b-direct.xml",
        "dino-to-gajim-proxy65.xml", "gajim-to-dino-proxy65.xml", "libervia-to-libervia-ibb.xml",
    ])
    func aResponderTakesTheInitiatorsRequests(name: String) throws {
        let iqs = try Fixture.stanzas(name).filter { iq in
            iq["type"] == "set" && iq.elements.contains { $0.matches("jingle", namespace: Jingle.namespace) }
        }
        var sessions: JingleSessions?
        var initiator: JID?
        for iq in iqs {
            let payload = try #require(iq.elements.first)
            let to = try #require(iq["to"].flatMap { JID($0) })
            if payload["action"] == "session-initiate", sessions == nil {
                initiator = payload["initiator"].flatMap { JID($0) }
                sessions = JingleSessions(localAddress: to)
            }
            guard to == sessions?.localAddress, let initiator else {
                // What the responder sent: the machine does the same, as far as it changes its state.
                let stanza = try JingleStanza(payload)
                let id = JingleSessionID(peer: try #require(initiator), sid: stanza.sid)
                if sessions?[id]?.isPending == true, stanza.action == .sessionAccept {
                    _ = try sessions?.command(id) { session throws(JingleCommandError) in
                        try session.accept(stanza.contents)
                    }
                }
                if stanza.action == .transportAccept {
                    let transports = stanza.contents.compactMap { content in content.transport.map { (content.id, $0) }
                    }
                    _ = try sessions?.command(id) { session throws(JingleCommandError) in
                        try session.acceptTransports(transports)
                    }
                }
                continue
            }
            let reaction = sessions?.receive(IQ(from: initiator, to: to, id: "1", content: .set(payload)))
            #expect(reaction?.answer.content == .result(nil), "\(payload["action"] ?? "")")
        }
    }
}
