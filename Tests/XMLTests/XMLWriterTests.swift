import Testing

@testable import XML

struct XMLWriterTests {
    static let table: [(XMLElement, String)] = [
        (XMLElement("a", namespace: ""), "<a/>"),
        (XMLElement("a", namespace: "", text: ""), "<a/>"),
        (XMLElement("a", namespace: "n"), "<a xmlns='n'/>"),
        (
            XMLElement(
                "a", namespace: "n", children: [XMLElement("b", namespace: "n"), XMLElement("c", namespace: "m")]),
            "<a xmlns='n'><b/><c xmlns='m'/></a>"
        ),
        (
            XMLElement("a", namespace: "n", children: [XMLElement("b", namespace: "")]),
            "<a xmlns='n'><b xmlns=''/></a>"
        ),
        (XMLElement("a", namespace: "", text: "<&>'\"\r\n\t"), "<a>&lt;&amp;&gt;&apos;&quot;&#13;\n\t</a>"),
        (
            XMLElement("a", namespace: "", attributes: ["b": "<&>'\"\r\n\t"]),
            "<a b='&lt;&amp;&gt;&apos;&quot;&#13;&#10;&#9;'/>"
        ),
        (XMLElement("a", namespace: "", text: "x\u{0}\u{8}\u{1F}\u{FFFE}\u{FFFF}y"), "<a>xy</a>"),
        (XMLElement("a", namespace: "", text: "\u{7F}é\u{FFFD}\u{1F600}"), "<a>\u{7F}é\u{FFFD}\u{1F600}</a>"),
        (
            XMLElement("a", namespace: "", attributes: ["xml:lang": "en", "z": "1", "b": "2"]),
            "<a b='2' xml:lang='en' z='1'/>"
        ),
        (
            XMLElement("a", namespace: "", attributes: ["{urn:x}b": "1", "{urn:y}c": "2"]),
            "<a xmlns:a0='urn:x' a0:b='1' xmlns:a1='urn:y' a1:c='2'/>"
        ),
        (XMLElement("a", namespace: "x'y"), "<a xmlns='x&apos;y'/>"),
    ]

    @Test(arguments: table)
    func writes(_ element: XMLElement, _ expected: String) {
        #expect(element.serialized() == expected)
    }

    @Test func doesNotRepeatTheDefaultNamespace() {
        let iq = XMLElement("iq", namespace: "jabber:client", children: [XMLElement("q", namespace: "urn:q")])
        #expect(iq.serialized(defaultNamespace: "jabber:client") == "<iq><q xmlns='urn:q'/></iq>")
    }

    @Test func writesAStreamHeader() {
        var writer = XMLWriter()
        writer.writeStreamHeader(
            namespace: "http://etherx.jabber.org/streams", contentNamespace: "jabber:client",
            attributes: ["to": "a'b", "version": "1.0"])
        #expect(
            writer.output
                == "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
                + "xmlns:stream='http://etherx.jabber.org/streams' to='a&apos;b' version='1.0'>")
        #expect(XMLStreamParser().feed(Array(writer.output.utf8)).count == 1)
    }

    @Test func whatIsWrittenReadsBackEqual() throws {
        var element = XMLElement(
            "a", namespace: "urn:a",
            attributes: ["b": " <&>'\"\r\n\t\u{85} ", "{urn:x}y": "1", "xml:lang": "de"])
        element.children = [
            .text("\r\n]]> &amp;"), .element(XMLElement("c", namespace: "", text: "\u{2028}👩‍👧")), .text(" "),
            .element(XMLElement("d", namespace: "urn:a")),
        ]
        #expect(try XMLElement(parsing: element.serialized()) == element)
    }

    @Test(arguments: ["", "text", "<a/><b/>", "<a/>text", "</x><x>", "<a>"])
    func parsingWantsExactlyOneElement(_ text: String) {
        #expect(throws: XMLStreamError.self) { try XMLElement(parsing: text) }
    }
}
