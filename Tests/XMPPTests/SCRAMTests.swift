import Testing

@testable import XMPP

struct SCRAMTests {
    struct Vector: Sendable {
        var function: SASLHashFunction
        var nonce: String
        var serverFirst: String
        var clientFinal: String
        var serverFinal: String
    }

    // RFC 5802 § 5 and RFC 7677 § 3: user "user", password "pencil".
    static let vectors = [
        Vector(
            function: .sha1, nonce: "fyko+d2lbbFgONRv9qkxdawL",
            serverFirst: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            clientFinal: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            serverFinal: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="),
        Vector(
            function: .sha256, nonce: "rOprNGfwEbeRWgbNEkqO",
            serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            clientFinal: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
    ]

    static func scram(
        _ function: SASLHashFunction, nonce: String, user: String = "user",
        channelBinding: SCRAM.ChannelBinding = .unsupported
    ) throws -> SCRAM {
        SCRAM(
            function: function, user: user, password: "pencil", channelBinding: channelBinding,
            cryptography: TestCryptography(random: try #require(Base64.decode(nonce))))
    }

    @Test(arguments: vectors)
    func exchangesOfTheRFCs(_ vector: Vector) throws {
        var scram = try Self.scram(vector.function, nonce: vector.nonce)
        #expect(scram.clientFirst() == "n,,n=user,r=\(vector.nonce)")
        #expect(try scram.clientFinal(answering: vector.serverFirst) == vector.clientFinal)
        #expect(!scram.isVerified)
        try scram.verify(serverFinal: vector.serverFinal)
        #expect(scram.isVerified)
    }

    static let wrongFirstMessages: [(String, SASLProtocolError)] = [
        ("", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,i=4096,s=QSXC", .malformedMessage),
        ("m=1,r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=4096", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,s=,i=4096", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,s=Q!XC,i=4096", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=0", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=-1", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=many", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=99999999999999999999", .malformedMessage),
        ("r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=10000001", .tooManyIterations),
        ("r=fyko+d2lbbFgONRv9qkxdawL,s=QSXC,i=4096", .wrongNonce),
        ("r=somethingelse,s=QSXC,i=4096", .wrongNonce),
        ("r=FYKO+d2lbbFgONRv9qkxdawLx,s=QSXC,i=4096", .wrongNonce),
        ("r,s,i", .malformedMessage),
        ("e=other-error", .malformedMessage),
    ]

    @Test(arguments: wrongFirstMessages)
    func refusesServerFirst(_ message: String, _ expected: SASLProtocolError) throws {
        var scram = try Self.scram(.sha1, nonce: "fyko+d2lbbFgONRv9qkxdawL")
        _ = scram.clientFirst()
        #expect(throws: expected) { try scram.clientFinal(answering: message) }
    }

    @Test(arguments: [
        ("v=rmF9pqV8S7suAoZWja4dJRkFsKR=", SASLProtocolError.malformedMessage),
        ("v=rmF9pqV8S7suAoZWja4dJRkFsKA=", .wrongServerSignature),
        ("v=rmF9", .wrongServerSignature), ("v=", .wrongServerSignature), ("", .malformedMessage),
        ("e=invalid-proof", .malformedMessage),
    ])
    func refusesServerFinal(_ message: String, _ expected: SASLProtocolError) throws {
        let vector = Self.vectors[0]
        var scram = try Self.scram(.sha1, nonce: vector.nonce)
        _ = scram.clientFirst()
        _ = try scram.clientFinal(answering: vector.serverFirst)
        #expect(throws: expected) { try scram.verify(serverFinal: message) }
        #expect(!scram.isVerified)
    }

    @Test func messagesOutOfOrderAreRefused() throws {
        var scram = try Self.scram(.sha1, nonce: "fyko+d2lbbFgONRv9qkxdawL")
        _ = scram.clientFirst()
        #expect(throws: SASLProtocolError.unexpectedMessage) { try scram.verify(serverFinal: "v=AAAA") }
    }

    @Test func channelBindingIsInTheFinalMessage() throws {
        let data: [UInt8] = [1, 2, 3, 0xFF]
        var scram = try Self.scram(
            .sha256, nonce: "rOprNGfwEbeRWgbNEkqO", user: "a=b,c", channelBinding: .used(.tlsExporter, data: data))
        #expect(scram.clientFirst() == "p=tls-exporter,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO")
        let final = try scram.clientFinal(answering: "r=rOprNGfwEbeRWgbNEkqOx,s=QSXC,i=1")
        let expected = Base64.encode(Array("p=tls-exporter,,".utf8) + data)
        #expect(final.hasPrefix("c=\(expected),r=rOprNGfwEbeRWgbNEkqOx,p="))
    }

    @Test func aClientThatWouldHaveUsedChannelBindingSaysSo() throws {
        var scram = try Self.scram(.sha1, nonce: "fyko+d2lbbFgONRv9qkxdawL", channelBinding: .notOffered)
        #expect(scram.clientFirst().hasPrefix("y,,n="))
        #expect(try scram.clientFinal(answering: "r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXC,i=1").hasPrefix("c=eSws,"))
    }

    // RFC 4013 § 3, and what else keyboards give.
    @Test(arguments: [
        ("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{AA}", "a"), ("a\u{A0}b", "a b"),
        ("x\u{B2}\u{B5}", "x2\u{3BC}"), ("\u{FF21}\u{FF5E}", "A~"), ("p\u{E4}ss", "p\u{E4}ss"), ("🔑", "🔑"),
        ("\u{3000}", " "),
    ])
    func preparesText(_ text: String, _ expected: String) {
        #expect(SASLPrep.prepare(text).map { Array($0.unicodeScalars) } == Array(expected.unicodeScalars))
    }

    @Test(arguments: ["", "\u{7}", "a\u{0}b", "\u{7F}", "\u{AD}", "a\u{202E}", "\u{E000}", "\u{FFFF}", "a\nb"])
    func refusesText(_ text: String) {
        #expect(SASLPrep.prepare(text) == nil)
    }

    @Test func aPasswordIsNeverShown() {
        let password = Password("hunter2")
        var dumped = ""
        dump(["a": password], to: &dumped)
        for text in [
            "\(password)", String(reflecting: password), "\([password])", String(describing: Optional(password)),
            dumped,
        ] {
            #expect(!text.contains("hunter2"))
        }
    }
}
