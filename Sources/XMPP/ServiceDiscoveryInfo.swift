// XEP-0030: Service Discovery § 3
public import XML

/// What an entity is and what it can do: the answer to a disco#info request.
public struct ServiceDiscoveryInfo: Sendable, Hashable {
    /// The namespace, and the feature of those who answer such requests.
    public static let namespace = "http://jabber.org/protocol/disco#info"

    /// One of the things an entity is (XEP-0030 § 3.1).
    public struct Identity: Sendable, Hashable {
        /// The category, such as `client`.
        public var category: String
        /// The type within the category, such as `console`.
        public var type: String
        /// The name's language; `nil` when not told.
        public var language: String?
        /// The name for people; not safe to print when it came from a peer.
        public var name: String?

        /// Creates an identity.
        public init(category: String, type: String, language: String? = nil, name: String? = nil) {
            self.category = category
            self.type = type
            self.language = language
            self.name = name
        }
    }

    /// What was asked about; `nil` for the entity itself.
    public var node: String?
    /// What the entity is, in document order.
    public var identities: [Identity]
    /// What the entity can do, in document order.
    public var features: [String]
    /// What else it tells (XEP-0128).
    public var forms: [DataForm]

    /// Creates an answer without forms.
    public init(node: String? = nil, identities: [Identity], features: [String]) {
        self.node = node
        self.identities = identities
        self.features = features
        forms = []
    }

    /// Reads a `<query/>` element.
    ///
    /// - Throws: `StanzaParseError` when it is another element, or lacks a required attribute.
    public init(_ element: XMLElement) throws(StanzaParseError) {
        guard element.matches("query", namespace: Self.namespace) else { throw .wrongElement }
        node = element["node"]
        identities = []
        for identity in element.all("identity") {
            guard let category = identity["category"], let type = identity["type"] else { throw .missing("category") }
            identities.append(
                Identity(category: category, type: type, language: identity["xml:lang"], name: identity["name"]))
        }
        features = []
        for feature in element.all("feature") {
            guard let name = feature["var"] else { throw .missing("var") }
            features.append(name)
        }
        forms = element.elements.compactMap { DataForm($0) }
    }

    /// The `<query/>` element, without forms.
    public var element: XMLElement {
        var element = Self.request(node: node)
        for identity in identities {
            var child = XMLElement("identity", namespace: Self.namespace)
            child["category"] = identity.category
            child["type"] = identity.type
            child["xml:lang"] = identity.language
            child["name"] = identity.name
            element.append(child)
        }
        for feature in features {
            element.append(XMLElement("feature", namespace: Self.namespace, attributes: ["var": feature]))
        }
        return element
    }

    /// The payload of a request.
    public static func request(node: String? = nil) -> XMLElement {
        var element = XMLElement("query", namespace: namespace)
        element["node"] = node
        return element
    }

    /// True when the entity has a feature.
    public func has(_ feature: String) -> Bool { features.contains(feature) }

    /// True when the entity has an identity of that category and type.
    public func isA(_ category: String, _ type: String) -> Bool {
        identities.contains { $0.category == category && $0.type == type }
    }
}
