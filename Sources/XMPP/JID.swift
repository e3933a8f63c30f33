/// An XMPP address, `local@domain/resource` (RFC 7622).
///
/// The parts are stored as compared: local part and domain in lower case, the resource as written.
public struct JID: Sendable, Hashable, CustomStringConvertible {
    /// The part before `@`; `nil` for the address of a server or component.
    public let local: String?
    /// The domain: a DNS name or an IP literal.
    public let domain: String
    /// The part after `/`; `nil` for a bare address.
    public let resource: String?

    /// Parses an address; `nil` when it breaks a rule of RFC 7622 § 3 (empty or overlong part, forbidden
    /// character).
    public init?(_ text: String) {
        guard text.utf8.count <= 3071 else { return nil }
        var rest = Substring(text)
        var resource: String?
        if let slash = rest.firstIndex(of: "/") {
            resource = String(rest[rest.index(after: slash)...])
            rest = rest[..<slash]
        }
        var local: String?
        if let at = rest.firstIndex(of: "@") {
            local = String(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        self.init(local: local, domain: String(rest), resource: resource)
    }

    /// Creates an address from its parts; `nil` when one breaks a rule of RFC 7622 § 3.
    public init?(local: String?, domain: String, resource: String? = nil) {
        var domain = domain.lowercased()
        if domain.hasSuffix(".") { domain.removeLast() }
        guard Self.isLength(domain), Self.isDomain(domain) else { return nil }
        let local = local?.lowercased()
        if let local {
            guard Self.isLength(local), local.unicodeScalars.allSatisfy(Self.isAllowedInLocal) else { return nil }
        }
        let resource = resource.map(Self.withPlainSpaces)
        if let resource {
            guard Self.isLength(resource), !resource.hasPrefix(" "),
                resource.unicodeScalars.allSatisfy(Self.isAllowedInResource)
            else { return nil }
        }
        self.init(checkedLocal: local, domain: domain, resource: resource)
    }

    private init(checkedLocal local: String?, domain: String, resource: String?) {
        self.local = local
        self.domain = domain
        self.resource = resource
    }

    /// The address without its resource.
    public var bare: JID { JID(checkedLocal: local, domain: domain, resource: nil) }

    /// True when there is no resource.
    public var isBare: Bool { resource == nil }

    /// The same account with another resource; `nil` when the resource is not valid.
    public func with(resource: String) -> JID? {
        JID(local: local, domain: domain, resource: resource)
    }

    /// The address as text.
    public var description: String {
        (local.map { $0 + "@" } ?? "") + domain + (resource.map { "/" + $0 } ?? "")
    }

    private static func isLength(_ part: String) -> Bool { (1...1023).contains(part.utf8.count) }

    /// RFC 7622 § 3.2: a name, whose labels are not empty, or an IP address, an IPv6 one in brackets.
    private static func isDomain(_ domain: String) -> Bool {
        if domain.hasPrefix("["), domain.hasSuffix("]") {
            let address = domain.utf8.dropFirst().dropLast()
            return address.contains(UInt8(ascii: ":"))
                && address.allSatisfy { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") || isHexDigit($0) }
        }
        return domain.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.unicodeScalars.allSatisfy { isLetterOrDigit($0) || $0 == "-" || $0 == "_" }
        }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        Character(Unicode.Scalar(byte)).isHexDigit
    }

    /// The IdentifierClass of RFC 8264 § 4.2, without the excluded characters of RFC 7622 § 3.3.1.
    private static func isAllowedInLocal(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar.isASCII else { return isLetterOrDigit(scalar) }
        return ("!"..."~").contains(scalar) && !"\"&'/:<>@".unicodeScalars.contains(scalar)
    }

    /// The FreeformClass of RFC 8264 § 4.3.
    private static func isAllowedInResource(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    /// RFC 8264 § 9.1.
    private static func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .lowercaseLetter, .uppercaseLetter, .otherLetter, .decimalNumber, .modifierLetter, .nonspacingMark,
            .spacingMark:
            true
        default: false
        }
    }

    /// The mapping of RFC 8265 § 4.2.2.
    private static func withPlainSpaces(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            scalars.append(scalar.properties.generalCategory == .spaceSeparator ? " " : scalar)
        }
        return String(scalars)
    }
}
