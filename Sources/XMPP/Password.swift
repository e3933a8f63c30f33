/// A password. Nothing prints it: neither its description nor a dump shows more than that it is there.
public struct Password: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The password itself, as typed.
    public let text: String

    /// Creates a password.
    public init(_ text: String) {
        self.text = text
    }

    /// The same for every password.
    public var description: String { "(password)" }
    /// The same for every password.
    public var debugDescription: String { description }
    /// Shows nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
