import Jingle
import SecureChannels
import Testing
import XMPP

@testable import FileTransfer

/// By which digest a file is compared, as far as clients tell one.
struct ExpectedDigestTests {
    private func offer(_ hashes: [Hash.Algorithm], used: [Hash.Algorithm] = []) -> FileDescription {
        var file = FileDescription(name: "f", size: 1)
        file.hashes = hashes.compactMap { Hash($0, value: [UInt8](repeating: 7, count: $0.byteCount)) }
        file.hashesUsed = used
        return file
    }

    @Test(
        arguments: [
            // Sleigh, Libervia; Gajim; Dino.
            ([], [.sha256], DigestAlgorithm.sha256, false, true),
            ([.blake2b512], [], .blake2bWith512Bits, true, true),
            ([], [], .sha256, false, false),
            ([.sha1, .sha512, .sha256], [], .sha256, true, true),
            ([.sha1, .sha512, .sha3512], [], .sha3With512Bits, true, true),
            ([.sha1], [.sha256], .sha1, true, true), ([], [.sha1, .sha3256], .sha3With256Bits, false, true),
            ([.blake2b256], [], .sha256, false, false), ([], [.blake2b256], .sha256, false, false),
        ] as [([Hash.Algorithm], [Hash.Algorithm], DigestAlgorithm, Bool, Bool)])
    func theStrongestThatIsComputed(
        hashes: [Hash.Algorithm], used: [Hash.Algorithm], algorithm: DigestAlgorithm, isKnown: Bool, isAnnounced: Bool
    ) {
        let expected = ExpectedDigest(offer(hashes, used: used))
        #expect(expected.algorithm == algorithm)
        #expect((expected.value != nil) == isKnown)
        #expect(expected.isAnnounced == isAnnounced)
        #expect(expected.value.map(\.count) ?? algorithm.byteCount == algorithm.byteCount)
    }

    @Test func aChecksumByAnotherFunctionIsNone() {
        let expected = ExpectedDigest(offer([], used: [.sha256]))
        #expect(expected.value(in: offer([.sha1])) == nil)
        #expect(expected.value(in: offer([.sha1, .sha256])) == [UInt8](repeating: 7, count: 32))
    }
}
