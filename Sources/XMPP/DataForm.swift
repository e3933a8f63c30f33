// XEP-0004: Data Forms
public import XML

/// A form that an entity sent; only what reading results needs.
public struct DataForm: Sendable, Hashable {
    static let namespace = "jabber:x:data"

    /// One field of a form.
    public struct Field: Sendable, Hashable {
        /// The field's name, its `var`.
        public var name: String
        /// The field's type; `nil` when it has none.
        public var type: String?
        /// The values, in document order.
        public var values: [String]
    }

    /// The fields that have a name, in document order.
    public var fields: [Field]

    /// Reads an `<x/>` element; `nil` when it is another element.
    public init?(_ element: XMLElement) {
        guard element.matches("x", namespace: Self.namespace) else { return nil }
        fields = element.all("field").compactMap { field in
            field["var"].map { name in
                Field(name: name, type: field["type"], values: field.all("value").map(\.text))
            }
        }
    }
}
