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

    /// Libervia gets a stream only where the user permits it, and nobody else who does not say that they take one.
    @Test(arguments: [
        ("Libervia", true, nil), ("Libervia", false, "--allow-unencrypted"), ("Dino", true, "sleigh pipe --listen"),
    ])
    func streamsForOthers(name: String, isPermitted: Bool, word: String?) {
        let abilities = DeviceAbilities(
            ServiceDiscoveryInfo(
                identities: [.init(category: "client", type: "pc", name: name)],
                features: [Self.jingle, Self.files, Self.s5b]))
        let obstacle = abilities.obstacle(to: .stream, permitsOneWayStreams: isPermitted)
        #expect((obstacle == nil) == (word == nil))
        if let word { #expect(obstacle?.contains(word) == true) }
    }

    /// What a client of that name does not say itself; it is no reason not to try.
    @Test(arguments: [("Dino", "no chat"), ("Gajim", "every offer"), ("Libervia", "web site"), ("Other", nil)])
    func whatIsKnownOfAClientIsSaid(name: String, words: String?) {
        let abilities = DeviceAbilities(
            ServiceDiscoveryInfo(
                identities: [.init(category: "client", type: "pc", name: name)],
                features: [Self.jingle, Self.files, Self.s5b]))
        #expect(abilities.obstacle(to: .file) == nil)
        #expect((abilities.caveat == nil) == (words == nil))
        if let words { #expect(abilities.caveat?.contains(words) == true) }
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
