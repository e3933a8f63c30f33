import FileTransfer
import Testing
import XMPP

struct DeviceAbilitiesTests {
    private static let jingle = "urn:xmpp:jingle:1"
    private static let files = "urn:xmpp:jingle:apps:file-transfer:5"
    private static let s5b = "urn:xmpp:jingle:transports:s5b:1"

    private func abilities(_ features: [String]) -> DeviceAbilities {
        DeviceAbilities(ServiceDiscoveryInfo(identities: [], features: features))
    }

    @Test func aClientLikeThisOneCanReceive() {
        let abilities = abilities(TransferService.features)
        #expect(abilities.obstacle(to: .file) == nil)
        #expect(abilities.hasJingle && abilities.hasFileTransfer && abilities.takesProposals)
        #expect(abilities.sharedTransports.contains("ice-quic"))
        #expect(abilities.sharedTransports == abilities.transports)
    }

    @Test(arguments: [
        ([], "Jingle"), ([files, s5b], "Jingle"), ([jingle, s5b], "files"), ([jingle, files], "no transport known"),
        ([jingle, files, "urn:xmpp:jingle:transports:ice-udp:1"], "only ice-udp"),
        ([jingle, files, "urn:xmpp:jingle:transports:raw-udp:1", "urn:x"], "only raw-udp"),
    ])
    func obstacleIsNamed(features: [String], word: String) throws {
        let abilities = abilities(features)
        #expect(try #require(abilities.obstacle(to: .file)).contains(word))
        #expect(!abilities.takesProposals)
    }

    /// Dino and Conversations advertise proposals for the sake of calls.
    @Test(arguments: [
        (["urn:xmpp:jingle-message:0"], true),
        (["urn:xmpp:jingle-message:0", "urn:xmpp:jingle:apps:rtp:1"], false), ([], false),
        (
            [
                "urn:xmpp:jingle-message:0", "urn:xmpp:jingle:apps:rtp:1", "urn:sleigh:jingle:transports:ice-quic:0",
            ], true
        ),
    ])
    func proposalsOfFilesAreNotThoseOfCalls(features: [String], takesProposals: Bool) {
        #expect(abilities(features + [Self.jingle, Self.files, Self.s5b]).takesProposals == takesProposals)
    }
}
