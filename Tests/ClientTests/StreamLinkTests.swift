import NIOCore
import NIOEmbedded
import Testing

@testable import Client

struct StreamLinkTests {
    /// Without an address nothing is known, as over a socket of another family.
    @Test(arguments: [("127.0.0.1", true), ("192.0.2.77", false), ("2001:db8::77", false), (nil, true)])
    func anAddressIsThereOrNot(address: String?, isThere: Bool) throws {
        let channel = EmbeddedChannel()
        channel.localAddress = try address.map { try SocketAddress(ipAddress: $0, port: 1) }
        let link = StreamLink(channel: channel, cause: OneShot())
        #expect(link.hasLocalAddress == isThere)
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
