// XEP-0065: SOCKS5 Bytestreams § 4: finding a proxy
public import XML

/// The SOCKS5 proxy of a server, as far as finding it goes.
public enum ProxyDiscovery {
    /// The namespace, and the feature of those who take part.
    public static let namespace = "http://jabber.org/protocol/bytestreams"

    /// The most addresses that are kept of an answer.
    public static let maximumCount = 16

    /// Where a proxy listens.
    public struct StreamHost: Sendable, Hashable {
        /// The proxy's own address.
        public var address: JID
        /// A host name or IP address: not safe to print.
        public var host: String
        /// The TCP port.
        public var port: UInt16
    }

    /// True when the entity is a proxy (§ 4.1: category `proxy`, type `bytestreams`).
    public static func isProxy(_ info: ServiceDiscoveryInfo) -> Bool { info.isA("proxy", "bytestreams") }

    /// The payload of a request for the proxy's network addresses (§ 4.2).
    public static var request: XMLElement { XMLElement("query", namespace: namespace) }

    /// Reads the answer to such a request. Hosts that are not valid, or without a port (§ 4.2: for zeroconf), are left
    /// out.
    ///
    /// - Throws: `StanzaParseError` when it is another element.
    public static func streamHosts(in element: XMLElement) throws(StanzaParseError) -> [StreamHost] {
        guard element.matches("query", namespace: namespace) else { throw .wrongElement }
        return Array(element.all("streamhost").lazy.compactMap { StreamHost($0) }.prefix(maximumCount))
    }
}

extension ProxyDiscovery.StreamHost {
    fileprivate init?(_ element: XMLElement) {
        guard let address = element["jid"].flatMap({ JID($0) }), let host = element["host"],
            (1...255).contains(host.utf8.count), host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            let port = element["port"].flatMap({ UInt16($0) }), port > 0
        else { return nil }
        self.init(address: address, host: host, port: port)
    }
}
