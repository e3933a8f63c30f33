// urn:sleigh:jingle:limit:0, as Wire/Limit.md describes it.
import XML

/// The most that one side of a session sends: what a user wants, or a peer asks for.
public struct RateLimit: Sendable, Hashable, Comparable {
    /// The namespace of the element in which a party asks its peer to send no faster.
    public static let namespace = "urn:sleigh:jingle:limit:0"
    /// What may be asked for, in bytes of the content each second. With less nothing would come for longer than a living
    /// path is silent.
    public static let bytesPerSecondRange: ClosedRange<UInt64> = 1000...1_000_000_000_000

    /// Bytes of the content each second, without what carries and protects them.
    public let bytesPerSecond: UInt64

    /// Creates a limit; `nil` outside ``bytesPerSecondRange``.
    public init?(bytesPerSecond: UInt64) {
        guard Self.bytesPerSecondRange.contains(bytesPerSecond) else { return nil }
        self.bytesPerSecond = bytesPerSecond
    }

    /// Whether less may be sent.
    public static func < (left: RateLimit, right: RateLimit) -> Bool { left.bytesPerSecond < right.bytesPerSecond }

    /// Reads a `<limit/>` element.
    ///
    /// - Throws: `JingleSyntaxError` when the number is missing, is none, or is out of range.
    init(_ element: XMLElement) throws(JingleSyntaxError) {
        guard let number = try element.number("bytes-per-second", as: UInt64.self) else {
            throw .missing("bytes-per-second")
        }
        guard let limit = RateLimit(bytesPerSecond: number) else { throw .invalid("bytes-per-second") }
        self = limit
    }

    /// The `<limit/>` element.
    var element: XMLElement {
        XMLElement("limit", namespace: Self.namespace, attributes: ["bytes-per-second": String(bytesPerSecond)])
    }
}
