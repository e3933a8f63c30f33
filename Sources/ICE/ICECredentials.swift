// RFC 8445 § 5.3.

/// The user-name fragment and password of one side. The description hides the password.
public struct ICECredentials: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The user-name fragment (`ufrag`), 4 to 256 ICE characters.
    public let usernameFragment: String
    /// The password (`pwd`), 22 to 256 ICE characters.
    public let password: String

    /// Checks a pair that came from a peer; `nil` if either is not what RFC 8839 § 5.4 allows.
    public init?(usernameFragment: String, password: String) {
        guard Self.isICEText(usernameFragment, length: 4...256), Self.isICEText(password, length: 22...256) else {
            return nil
        }
        self.usernameFragment = usernameFragment
        self.password = password
    }

    /// The user-name fragment only.
    public var description: String { "ICECredentials(\(usernameFragment))" }
    /// The same as ``description``.
    public var debugDescription: String { description }

    /// Whether a text has only ICE characters (letters, digits, `+`, `/`) and the right length.
    static func isICEText(_ text: String, length: ClosedRange<Int>) -> Bool {
        length.contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                    true
                default: false
                }
            }
    }
}
