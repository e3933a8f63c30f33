// XEP-0115: Entity Capabilities
public import XML

/// A short name for everything an entity can do, sent with its presence.
public struct EntityCapabilities: Sendable, Hashable {
    /// The namespace, and the feature.
    public static let namespace = "http://jabber.org/protocol/caps"
    /// The node under which this client names its capabilities.
    static let ownNode = "urn:sleigh"

    /// A URI of the software.
    public var node: String
    /// The verification string.
    public var ver: String
    /// The hash function's name, `sha-1` from nearly all; `nil` in the legacy format (§ 9).
    public var hash: String?

    /// Computes the capabilities of an entity (§ 5.1).
    ///
    /// - Parameter sha1: the hash function SHA-1.
    public init(node: String, of info: ServiceDiscoveryInfo, sha1: ([UInt8]) -> [UInt8]) {
        self.node = node
        ver = Self.verificationString(of: info, sha1: sha1)
        hash = "sha-1"
    }

    /// Reads a `<c/>` element; `nil` when it is another element, or incomplete.
    public init?(_ element: XMLElement) {
        guard element.matches("c", namespace: Self.namespace), let node = element["node"], let ver = element["ver"]
        else { return nil }
        self.node = node
        self.ver = ver
        hash = element["hash"]
    }

    /// Reads the capabilities that a presence carries.
    public init?(_ presence: Presence) {
        guard let element = presence.first("c", namespace: Self.namespace) else { return nil }
        self.init(element)
    }

    /// The `<c/>` element.
    public var element: XMLElement {
        var element = XMLElement("c", namespace: Self.namespace, attributes: ["node": node, "ver": ver])
        element["hash"] = hash
        return element
    }

    /// The node to ask about with disco#info (§ 6.2).
    public var queryNode: String { node + "#" + ver }

    /// True when this is the short name of that answer, so that the answer may be kept for everybody who uses the
    /// same name (§ 5.4). Never true for a hash function other than SHA-1, nor for an ill-formed answer.
    ///
    /// - Parameter sha1: the hash function SHA-1.
    public func verify(_ info: ServiceDiscoveryInfo, sha1: ([UInt8]) -> [UInt8]) -> Bool {
        hash == "sha-1" && Self.isWellFormed(info) && ver == Self.verificationString(of: info, sha1: sha1)
    }

    /// § 5.4, rule 3: answers with which one could pass for another.
    private static func isWellFormed(_ info: ServiceDiscoveryInfo) -> Bool {
        let identities = info.identities.map { [$0.category, $0.type, $0.language ?? ""] }
        let formTypes = info.forms.map { formTypeField($0)?.values ?? [] }.filter { !$0.isEmpty }
        return Set(identities).count == identities.count
            && Set(info.features).count == info.features.count
            && Set(formTypes).count == formTypes.count
            && formTypes.allSatisfy { Set($0).count == 1 }
    }

    /// The field that names the form; forms without a hidden one do not count.
    private static func formTypeField(_ form: DataForm) -> DataForm.Field? {
        form.fields.first { $0.name == "FORM_TYPE" && $0.type == "hidden" }
    }

    private static func verificationString(of info: ServiceDiscoveryInfo, sha1: ([UInt8]) -> [UInt8]) -> String {
        var parts: [String] = []
        let identities = info.identities.map { [$0.category, $0.type, $0.language ?? "", $0.name ?? ""] }
        parts += identities.sorted { $0.lexicographicallyPrecedes($1, by: octetsPrecede) }
            .map { $0.joined(separator: "/") }
        parts += info.features.sorted(by: octetsPrecede)
        let forms = info.forms.compactMap { form in
            formTypeField(form)?.values.first.map { (type: $0, fields: form.fields) }
        }
        for form in forms.sorted(by: { octetsPrecede($0.type, $1.type) }) {
            parts.append(form.type)
            for field in form.fields.sorted(by: { octetsPrecede($0.name, $1.name) }) where field.name != "FORM_TYPE" {
                parts.append(field.name)
                parts += field.values.sorted(by: octetsPrecede)
            }
        }
        let text = parts.map { $0 + "<" }.joined()
        return Base64.encode(sha1(Array(text.utf8)))
    }

    /// The collation "i;octet" (RFC 4790 § 9.3).
    private static func octetsPrecede(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
