/// One XML element as a value: a qualified name, attributes, and children in document order.
///
/// Two elements are equal when their names, attributes (in any order) and children are equal.
public struct XMLElement: Sendable, Hashable {
    /// What an element contains: other elements and character data, in document order.
    public enum Node: Sendable, Hashable {
        /// A child element.
        case element(XMLElement)
        /// Character data, unescaped.
        case text(String)
    }

    /// The local name, without a prefix.
    public var name: String
    /// The namespace name; empty when the element is in no namespace.
    public var namespace: String
    /// Attributes by name. An attribute in a namespace is keyed `prefix:name` for the prefix `xml`, and
    /// `{namespace}name` for any other.
    public var attributes: [String: String]
    /// The children, in document order.
    public var children: [Node]

    /// Creates an element from its parts.
    public init(
        _ name: String, namespace: String, attributes: [String: String] = [:], children: [XMLElement] = []
    ) {
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
        self.children = children.map(Node.element)
    }

    /// Creates an element that holds only character data.
    public init(_ name: String, namespace: String, attributes: [String: String] = [:], text: String) {
        self.init(name, namespace: namespace, attributes: attributes)
        if !text.isEmpty { children = [.text(text)] }
    }

    /// The value of an attribute; setting `nil` removes it.
    public subscript(attribute: String) -> String? {
        get { attributes[attribute] }
        set { attributes[attribute] = newValue }
    }

    /// The child elements, in document order.
    public var elements: [XMLElement] {
        children.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    /// The element's own character data, joined; that of its children is not included.
    public var text: String {
        children.reduce(into: "") { if case .text(let text) = $1 { $0 += text } }
    }

    /// The first child of that name, in this element's namespace or, when given, in another.
    public func first(_ name: String, namespace: String? = nil) -> XMLElement? {
        let namespace = namespace ?? self.namespace
        for case .element(let child) in children where child.name == name && child.namespace == namespace {
            return child
        }
        return nil
    }

    /// The children of that name, in this element's namespace or, when given, in another.
    public func all(_ name: String, namespace: String? = nil) -> [XMLElement] {
        let namespace = namespace ?? self.namespace
        return elements.filter { $0.name == name && $0.namespace == namespace }
    }

    /// True when the element has that name in that namespace.
    public func matches(_ name: String, namespace: String) -> Bool {
        self.name == name && self.namespace == namespace
    }

    /// Appends a child element.
    public mutating func append(_ child: XMLElement) {
        children.append(.element(child))
    }
}
