import Testing

@testable import SecureChannels

@Suite struct DeviceCertificateTests {
    @Test func survivesStorage() throws {
        let made = try DeviceCertificate.generate()
        let read = try DeviceCertificate(pem: made.pem)
        #expect(read.fingerprint == made.fingerprint)
        #expect(read.certificateDER == made.certificateDER)
        #expect(read.privateKeyPEM == made.privateKeyPEM)
        #expect(made.certificatePEM.hasPrefix("-----BEGIN CERTIFICATE-----"))
        #expect(made.privateKeyPEM.hasPrefix("-----BEGIN PRIVATE KEY-----"))
        #expect(try DeviceCertificate(pem: made.certificatePEM + made.privateKeyPEM).fingerprint == made.fingerprint)
    }

    @Test func everyOneIsDifferent() throws {
        #expect(try DeviceCertificate.generate().fingerprint != DeviceCertificate.generate().fingerprint)
    }

    @Test func noDescriptionShowsTheKey() throws {
        let made = try DeviceCertificate.generate()
        let secret = made.privateKeyPEM.split(separator: "\n")[1]
        var dumped = ""
        dump(made, to: &dumped)
        for text in ["\(made)", String(reflecting: made), dumped] { #expect(!text.contains(secret)) }
    }

    @Test func badTextIsRefused() throws {
        let one = try DeviceCertificate.generate()
        let other = try DeviceCertificate.generate()
        #expect(throws: DeviceCertificate.Failure.noCertificate) { try DeviceCertificate(pem: "") }
        #expect(throws: DeviceCertificate.Failure.noCertificate) { try DeviceCertificate(pem: one.privateKeyPEM) }
        #expect(throws: DeviceCertificate.Failure.noMatchingKey) { try DeviceCertificate(pem: one.certificatePEM) }
        #expect(throws: DeviceCertificate.Failure.noMatchingKey) {
            try DeviceCertificate(pem: one.privateKeyPEM + other.certificatePEM)
        }
        let cut = String(one.pem.dropLast(60))
        #expect(throws: DeviceCertificate.Failure.self) { try DeviceCertificate(pem: cut) }
    }
}

@Suite struct FingerprintTests {
    static let text =
        "02:1A:CC:54:27:AB:EB:9C:53:3F:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1:7A:03:A2:7D:F9:B0:7F:46:19:B2"

    @Test func readsAndPrintsTheWireForm() throws {
        let fingerprint = try #require(Fingerprint(Self.text))
        #expect(fingerprint.description == Self.text)
        #expect(fingerprint.bytes.prefix(3) == [0x02, 0x1A, 0xCC])
        #expect(Fingerprint(Self.text.lowercased()) == fingerprint)
    }

    @Test(arguments: [
        "", ":", "02", "02:1A", text + ":", text + ":00", ":" + text, String(text.dropLast()),
        text.replacing(":", with: ""), text.replacing("A", with: "G"), text.replacing("02:", with: "2:"),
        text.replacing("02:", with: "0 :"), " " + text, text.replacing("02:", with: "002:"),
    ])
    func refuses(text: String) { #expect(Fingerprint(text) == nil) }

    @Test func everyBitCounts() throws {
        let fingerprint = try #require(Fingerprint(Self.text))
        for bit in 0..<256 {
            var bytes = fingerprint.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Fingerprint(bytes: bytes) != fingerprint)
        }
        #expect(Fingerprint(bytes: [UInt8](repeating: 0, count: 31)) == nil)
    }

    /// FIPS 180-2, appendix B.1.
    @Test func hashesWithSHA256() throws {
        let fingerprint = try #require(Fingerprint(certificateDER: Array("abc".utf8)))
        #expect(fingerprint.description.hasPrefix("BA:78:16:BF:8F:01:CF:EA"))
    }
}
