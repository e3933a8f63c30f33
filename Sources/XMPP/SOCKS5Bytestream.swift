// XEP-0065: SOCKS5 Bytestreams, § 4 (finding a proxy), § 5.3.2 (destination address) and § 6.3.5 (activation).
public import XML

/// What the parties of a SOCKS5 bytestream and its proxy say; the Jingle transport (XEP-0260) says the rest.
public enum SOCKS5Bytestream {
    /// The namespace, and the feature of those who take part.
    public static let namespace = "http://jabber.org/protocol/bytestreams"

    /// The address that both parties give to a stream host in place of a destination: 40 hexadecimal digits.
    ///
    /// - Parameters:
    ///   - sid: the name of the bytestream.
    ///   - requester: who offers the stream host; as in the requests between the two, as is `target`.
    ///   - sha1: the hash function SHA-1.
    public static func destinationAddress(
        sid: String, requester: JID, target: JID, sha1: ([UInt8]) -> [UInt8]
    ) -> String {
        let digits = Array("0123456789abcdef".unicodeScalars)
        var text = String.UnicodeScalarView()
        for byte in sha1(Array("\(sid)\(requester)\(target)".utf8)) {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(text)
    }

    /// The payload of the requester's request to its proxy to carry bytes, once both are connected to it.
    public static func activation(sid: String, target: JID) -> XMLElement {
        var query = XMLElement("query", namespace: namespace, attributes: ["sid": sid])
        query.append(XMLElement("activate", namespace: namespace, text: target.description))
        return query
    }
}

/// The SOCKS5 proxy of a server, as far as finding it goes.
public enum ProxyDiscovery {
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

        /// Creates a place.
        public init(address: JID, host: String, port: UInt16) {
            self.address = address
            self.host = host
            self.port = port
        }
    }

    /// True when the entity is a proxy (§ 4.1: category `proxy`, type `bytestreams`).
    public static func isProxy(_ info: ServiceDiscoveryInfo) -> Bool { info.isA("proxy", "bytestreams") }

    /// The payload of a request for the proxy's network addresses (§ 4.2).
    public static var request: XMLElement { XMLElement("query", namespace: SOCKS5Bytestream.namespace) }

    /// Reads the answer to such a request. Hosts that are not valid, or without a port (§ 4.2: for zeroconf), are left
    /// out.
    ///
    /// - Throws: `StanzaParseError` when it is another element.
    public static func streamHosts(in element: XMLElement) throws(StanzaParseError) -> [StreamHost] {
        guard element.matches("query", namespace: SOCKS5Bytestream.namespace) else { throw .wrongElement }
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
