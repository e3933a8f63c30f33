import Client
import XMPP

/// Where the SOCKS5 proxies of the account's server listen: asked for once, when somebody wants to know.
actor ServerProxies {
    private let client: XMPPClient
    private var known: [ProxyDiscovery.StreamHost]?

    init(client: XMPPClient) { self.client = client }

    /// The proxies' addresses; none when the server does not tell, which is then asked again the next time.
    var hosts: [ProxyDiscovery.StreamHost] {
        get async {
            if let known { return known }
            // Without a proxy there may still be a way, so an error here is none of the transfer.
            guard let features = try? await client.serverFeatures(timeout: .seconds(5)) else { return [] }
            let hosts = features.proxies.flatMap(\.hosts)
            known = hosts
            return hosts
        }
    }
}
