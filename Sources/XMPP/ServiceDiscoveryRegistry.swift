internal import XML

/// What this client tells about itself: the one place from which disco#info answers (XEP-0030) and capabilities
/// (XEP-0115) come.
public struct ServiceDiscoveryRegistry: Sendable, Hashable {
    /// What this client is called.
    public static let clientName = "Sleigh"
    /// The features that this module declares, each in the file of its XEP.
    public static let coreFeatures =
        [
            ServiceDiscoveryInfo.namespace, EntityCapabilities.namespace, Ping.namespace,
        ] + Hash.features

    private let identity: ServiceDiscoveryInfo.Identity
    /// Everything this client can do, sorted.
    public let features: [String]
    /// What goes into every available presence.
    public let capabilities: EntityCapabilities

    /// What a disco#info request without a node is answered with.
    public var info: ServiceDiscoveryInfo { ServiceDiscoveryInfo(identities: [identity], features: features) }

    /// Creates a registry of the core features and further ones.
    ///
    /// - Parameters:
    ///   - features: the features that other modules declare.
    ///   - clientName: what the client says it is called.
    ///   - sha1: the hash function SHA-1.
    public init(features: [String], clientName: String = Self.clientName, sha1: ([UInt8]) -> [UInt8]) {
        identity = ServiceDiscoveryInfo.Identity(category: "client", type: "console", name: clientName)
        self.features = Set(Self.coreFeatures + features).sorted()
        let info = ServiceDiscoveryInfo(identities: [identity], features: self.features)
        capabilities = EntityCapabilities(node: EntityCapabilities.ownNode, of: info, sha1: sha1)
    }

    /// The answer to a disco#info request; `nil` when it is another request.
    ///
    /// Known nodes are none, and that of the capabilities (XEP-0115 § 6.2); others are refused.
    public func answer(to request: IQ) -> IQ? {
        guard case .get(let query) = request.content, query.matches("query", namespace: ServiceDiscoveryInfo.namespace)
        else { return nil }
        guard query["node"] == nil || query["node"] == capabilities.queryNode else {
            return request.refusal(StanzaError(.itemNotFound, kind: .cancel))
        }
        let info = ServiceDiscoveryInfo(node: query["node"], identities: [identity], features: features)
        return request.result(info.element)
    }
}
