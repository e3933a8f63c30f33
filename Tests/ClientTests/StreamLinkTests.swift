import NIOCore
import NIOEmbedded
import Testing

@testable import Client

struct StreamLinkTests {
    /// Without an address nothing is known, as over a socket of another family.
    @Test(arguments: [("127.0.0.1", true), ("192.0.2.77", false), ("2001:db8::77", false), (nil, nil)])
    func anAddressIsThereOrNot(address: String?, isThere: Bool?) {
        #expect(StreamLink.isHere(address) == isThere)
    }

    /// What no interface has shown when the connection was made cannot be missed.
    @Test(arguments: ["127.0.0.1", "192.0.2.77"])
    func anAddressThatIsNotShownIsNotMissed(address: String) throws {
        let channel = EmbeddedChannel()
        channel.localAddress = try SocketAddress(ipAddress: address, port: 1)
        #expect(StreamLink(channel: channel, cause: OneShot()).hasLocalAddress)
    }

    @Test func whyItIsCutIsKept() {
        let channel = EmbeddedChannel()
        let cause = OneShot<ClientError>()
        let link = StreamLink(channel: channel, cause: cause)
        link.cut(.unresponsive)
        link.cut(.cancelled)
        #expect(cause.current == .unresponsive)
    }
}
