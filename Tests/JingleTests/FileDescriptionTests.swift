import Jingle
import Testing
import XML
import XMPP

@Suite struct FileDescriptionTests {
    @Test func everythingOfTheSpecification() throws {
        let element = try description(
            """
            <date>2015-07-26T21:46:00+01:00</date><desc>This is a test.</desc><media-type>text/plain</media-type>
            <name>test.txt</name><range offset='270336' length='10'/><size>6144</size>
            <hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>w0mcJylzCn+AfvuGdqkty2+KP48=</hash>
            <hash-used xmlns='urn:xmpp:hashes:2' algo='sha-256'/>
            <thumbnail xmlns='urn:xmpp:thumbs:1' uri='cid:x'/>
            """)
        let file = try FileDescription(description: element)
        #expect(file.name == "test.txt")
        #expect(file.size == 6144)
        #expect(file.date?.description == "2015-07-26T20:46:00Z")
        #expect(file.mediaType == "text/plain")
        #expect(file.desc == "This is a test.")
        #expect(file.range == FileDescription.Range(offset: 270_336, length: 10))
        #expect(file.hashes.map(\.algorithm) == [.sha1])
        #expect(file.hashesUsed == [.sha256])
        #expect(file.extensions.map(\.name) == ["thumbnail"])
        #expect(try FileDescription(description: file.description.overTheWire()) == file)
    }

    struct Lenient: Sendable, CustomTestStringConvertible {
        var inside: String
        var change: @Sendable (inout FileDescription) -> Void
        var testDescription: String { inside }
        init(_ inside: String, _ change: @escaping @Sendable (inout FileDescription) -> Void) {
            self.inside = inside
            self.change = change
        }
    }

    static let lenient: [Lenient] = [
        Lenient("<mediaType>text/plain</mediaType>") { $0.mediaType = "text/plain" },
        Lenient("<date>2026-11-22T19:05:28.508764+00:00Z</date>") { $0.date = Timestamp("2026-11-22T19:05:28Z") },
        Lenient("<date>yesterday</date>") { _ in },
        Lenient("<desc/><media-type/>") { _ in },
        Lenient("<desc xml:lang='en'>a</desc><desc xml:lang='de'>b</desc>") { $0.desc = "a" },
        Lenient("<size> 0 </size>") { $0.size = 0 },
        Lenient("<size>9223372036854775807</size>") { $0.size = 9_223_372_036_854_775_807 },
        Lenient("<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'/>") { $0.hashesUsed = [.sha256] },
        Lenient("<hash-used xmlns='urn:xmpp:hashes:2' algo='whirlpool'/>") {
            $0.extensions = [XMLElement("hash-used", namespace: Hash.namespace, attributes: ["algo": "whirlpool"])]
        },
        Lenient("<range/>") { $0.range = FileDescription.Range() },
        Lenient("<name>../../etc/passwd</name>") { $0.name = "../../etc/passwd" },
    ]

    @Test(arguments: lenient) func whatClientsSend(example: Lenient) throws {
        var expected = FileDescription()
        example.change(&expected)
        #expect(try FileDescription(description: description(example.inside)) == expected)
    }

    @Test func aDescriptionWithoutFile() throws {
        let element = XMLElement("description", namespace: FileDescription.namespace)
        #expect(try FileDescription(description: element) == FileDescription())
    }

    static let invalid: [(String, JingleSyntaxError)] = [
        ("<size>-1</size>", .invalid("size")), ("<size>+1</size>", .invalid("size")),
        ("<size>0x10</size>", .invalid("size")), ("<size>1.5</size>", .invalid("size")),
        ("<size/>", .invalid("size")), ("<size>1</size><size>2</size>", .invalid("size")),
        ("<size>9223372036854775808</size>", .invalid("size")),
        ("<size>18446744073709551616</size>", .invalid("size")), ("<size>１</size>", .invalid("size")),
        ("<name>a</name><name>b</name>", .invalid("name")),
        ("<name>\(String(repeating: "ä", count: 2049))</name>", .tooLong("name")),
        ("<media-type>\(String(repeating: "a", count: 256))</media-type>", .tooLong("media-type")),
        ("<desc>\(String(repeating: "a", count: 16_385))</desc>", .tooLong("desc")),
        ("<range offset='-1'/>", .invalid("offset")), ("<range offset='x'/>", .invalid("offset")),
        ("<range length=''/>", .invalid("length")), ("<range/><range/>", .invalid("range")),
        ("<range offset='9223372036854775807' length='1'/>", .invalid("length")),
        (
            String(repeating: "<hash-used xmlns='urn:xmpp:hashes:2' algo='sha-256'/>", count: 2)
                + (0..<33).map { "<x\($0) xmlns='y'/>" }.joined(), .tooMany("file")
        ),
    ]

    @Test(arguments: invalid) func refused(inside: String, error: JingleSyntaxError) throws {
        let element = try description(inside)
        #expect(throws: error) { try FileDescription(description: element) }
    }

    /// Of the wrong length, not in base 64, of an unknown function, of none: the rest of the file counts all the same.
    @Test(arguments: [
        "algo='sha-256'>AAAA", "algo='sha-256'>not base 64", "algo='sha3-512'>PkFushm9aiYMyOEBLbccZ5Vy",
        "algo='blake2b-512'>ZjE1OGY3Mzg2", "algo='md5'>1B2M2Y8AsgTpgAmY7PhCfg==", "algo=''>AAAA", ">AAAA",
    ])
    func aHashOfNoUseCountsAsNone(hash: String) throws {
        let file = try FileDescription(
            description: description("<size>1</size><hash xmlns='urn:xmpp:hashes:2' \(hash)</hash>"))
        #expect(file.hashes.isEmpty && file.hashesUsed.isEmpty && file.size == 1)
    }

    @Test func twoFilesInOneDescriptionAreRefused() throws {
        let element = try XMLElement(
            parsing: "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file/><file/></description>")
        #expect(throws: JingleSyntaxError.invalid("file")) { try FileDescription(description: element) }
    }

    @Test func rangedChecksum() throws {
        let element = try XMLElement(
            parsing: """
                <checksum xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><range offset='2048' length='1024'>\
                <hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>kHp5RSzW/h7Gm1etSf90Mr5PC/k=</hash></range></file></checksum>
                """)
        let info = try SessionInfo(element)
        guard case .checksum(let reference, let file) = info else { throw IncompleteTest() }
        #expect(reference == SessionInfo.ContentReference())
        #expect(file.range?.offset == 2048 && file.range?.length == 1024)
        #expect(file.range?.hashes.first?.value.first == 0x90)
        #expect(try SessionInfo(info.element.overTheWire()) == info)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_827_696, "2000-02-29T12:34:56Z"), (-1, "1969-12-31T23:59:59Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"), (4_107_542_399, "2100-02-28T23:59:59Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"), (-62_135_596_800, "0001-01-01T00:00:00Z"),
    ])
    func datesAreWrittenAsTheyAreRead(seconds: Int, text: String) {
        #expect(Timestamp(unixSeconds: Int64(seconds)).description == text)
        #expect(Timestamp(text)?.unixSeconds == Int64(seconds))
    }

    @Test(arguments: [(Int64.min, "0000-01-01T00:00:00Z"), (.max, "9999-12-31T23:59:59Z")])
    func datesTheFormatHasNoDigitsFor(seconds: Int64, text: String) {
        #expect(Timestamp(unixSeconds: seconds).description == text)
    }
}
