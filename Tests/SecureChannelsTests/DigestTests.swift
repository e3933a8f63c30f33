import SecureChannels
import Testing

@Suite struct DigestTests {
    /// FIPS 180-4, FIPS 202 and RFC 7693 examples for "abc".
    @Test(arguments: [
        (DigestAlgorithm.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            .sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
        ),
        (
            .sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (.sha3With256Bits, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        (
            .sha3With512Bits,
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
                + "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"
        ),
        (
            .blake2bWith512Bits,
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        ),
    ]) func hashesTheStandardsExample(algorithm: DigestAlgorithm, expected: String) {
        #expect(hexadecimal(algorithm.hash("abc".utf8)) == expected)
        #expect(algorithm.byteCount * 2 == expected.count)
    }

    @Test func theEmptyHashIsThatOfNoBytes() {
        #expect(
            hexadecimal(Digest(.sha256).value()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test(arguments: DigestAlgorithm.allCases) func piecesHashLikeTheWhole(algorithm: DigestAlgorithm) {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var digest = Digest(algorithm)
        for start in stride(from: 0, to: bytes.count, by: 37) {
            digest.update(bytes[start..<min(start + 37, bytes.count)])
            #expect(digest.value() == algorithm.hash(bytes.prefix(start + 37)))
        }
    }

    /// RFC 2202 § 3 and RFC 4231 § 4.3, key "Jefe".
    @Test(arguments: [
        (DigestAlgorithm.sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (.sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    ]) func authenticates(algorithm: DigestAlgorithm, expected: String) {
        let code = algorithm.hmac(key: "Jefe".utf8, "what do ya want for nothing?".utf8)
        #expect(hexadecimal(code) == expected)
    }

    /// RFC 6070 § 2 and RFC 7914 § 11.
    @Test(arguments: [
        (DigestAlgorithm.sha1, "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
        (
            .sha1, "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
            "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"
        ),
        (
            .sha256, "passwd", "salt", 1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                + "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
        ),
    ]) func derivesKeys(algorithm: DigestAlgorithm, password: String, salt: String, iterations: Int, expected: String) {
        let key = algorithm.pbkdf2(
            password: password.utf8, salt: salt.utf8, iterations: iterations, byteCount: expected.count / 2)
        #expect(hexadecimal(key) == expected)
    }

    @Test func randomBytesAreAsManyAsAskedAndDiffer() {
        #expect(secureRandomBytes(0).isEmpty)
        #expect(secureRandomBytes(32).count == 32)
        #expect(secureRandomBytes(32) != secureRandomBytes(32))
    }

    @Test(
        arguments: [
            ([1, 2, 3], [1, 2, 3], true), ([], [], true), ([1, 2, 3], [1, 2, 4], false), ([1, 2], [1, 2, 3], false),
            ([0x81], [0x01], false),
        ] as [([UInt8], [UInt8], Bool)]) func comparesSecrets(one: [UInt8], other: [UInt8], equal: Bool)
    {
        #expect(isEqualInConstantTime(one, other) == equal)
    }
}
