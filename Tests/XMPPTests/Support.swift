import Foundation
import SecureChannels
import XML

@testable import XMPP

/// OpenSSL's functions, with a nonce that the test chooses.
struct TestCryptography: SASLCryptography {
    var random: [UInt8] = Array("sleigh-test-nonce!".utf8)

    private func algorithm(_ function: SASLHashFunction) -> DigestAlgorithm {
        switch function {
        case .sha1: .sha1
        case .sha256: .sha256
        }
    }

    func hash(_ bytes: [UInt8], with function: SASLHashFunction) -> [UInt8] { algorithm(function).hash(bytes) }

    func hmac(key: [UInt8], _ bytes: [UInt8], with function: SASLHashFunction) -> [UInt8] {
        algorithm(function).hmac(key: key, bytes)
    }

    func pbkdf2(password: [UInt8], salt: [UInt8], iterations: Int, with function: SASLHashFunction) -> [UInt8] {
        algorithm(function).pbkdf2(password: password, salt: salt, iterations: iterations)
    }

    func randomBytes(_ count: Int) -> [UInt8] { Array(random.prefix(count)) }
}

func sha1(_ bytes: [UInt8]) -> [UInt8] { DigestAlgorithm.sha1.hash(bytes) }

/// A stanza, written without its namespace.
func stanza(_ text: String) throws -> XMLElement {
    let wrapped = try XMLElement(parsing: "<x xmlns='jabber:client'>\(text)</x>")
    guard let element = wrapped.elements.first else { throw XMLStreamError.notWellFormed }
    return element
}

func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }

/// The stanzas of the fixture, in document order.
enum Fixture {
    static func text() throws -> String {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return try String(contentsOf: tests.appendingPathComponent("../../Fixtures/XMPP/stanzas.xml"), encoding: .utf8)
    }

    static func stanza(_ index: Int) throws -> XMLElement {
        let elements = try XMLElement(parsing: try text().trimmingCharacters(in: .whitespacesAndNewlines)).elements
        return elements[index]
    }
}
