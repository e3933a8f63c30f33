// XEP-0166 § 7.4: Reason Element.
public import XML

/// Why an action was taken.
public struct Reason: Sendable, Hashable {
    /// The defined conditions.
    public enum Condition: Sendable, Hashable {
        /// An existing session is preferred; its identifier, when given.
        case alternativeSession(sid: String?)
        case busy, cancel, connectivityError, decline, expired, failedApplication, failedTransport, generalError
        case gone, incompatibleParameters, mediaError, securityError, success, timeout, unsupportedApplications
        case unsupportedTransports
    }

    /// The machine-readable condition.
    public var condition: Condition
    /// The human-readable text, as the peer wrote it: not safe to print.
    public var text: String?
    /// A condition of the application or transport, such as `file-too-large` of XEP-0234 § 8.2.
    public var applicationCondition: XMLElement?

    /// Creates a reason.
    public init(_ condition: Condition, text: String? = nil, applicationCondition: XMLElement? = nil) {
        self.condition = condition
        self.text = text
        self.applicationCondition = applicationCondition
    }

    /// Reads a `<reason/>` element.
    ///
    /// An element without a known condition reads as `general-error`: what matters is that the peer did it. The
    /// condition may be spelt with underscores, as Libervia 0.9 does (`failed_transport`).
    ///
    /// - Throws: `JingleSyntaxError` when a text or session identifier is too long.
    public init(_ element: XMLElement) throws(JingleSyntaxError) {
        var condition: Condition?
        var text: String?
        var applicationCondition: XMLElement?
        for child in element.elements {
            if child.namespace != Jingle.namespace {
                applicationCondition = applicationCondition ?? child
            } else if child.name == "text" {
                text = try child.limitedText(JingleLimit.textByteCount)
            } else if condition == nil {
                var sid = try child.first("sid")?.limitedText(JingleLimit.identifierByteCount).trimmed
                if sid?.isEmpty == true { sid = nil }
                condition = Condition(name: child.name, sid: sid)
            }
        }
        self.init(condition ?? .generalError, text: text, applicationCondition: applicationCondition)
    }

    /// The `<reason/>` element.
    public var element: XMLElement {
        var condition = XMLElement(condition.name, namespace: Jingle.namespace)
        if case .alternativeSession(let sid?) = self.condition {
            condition.append(XMLElement("sid", namespace: Jingle.namespace, text: sid))
        }
        var element = XMLElement("reason", namespace: Jingle.namespace, children: [condition])
        if let text { element.append(XMLElement("text", namespace: Jingle.namespace, text: text)) }
        if let applicationCondition { element.append(applicationCondition) }
        return element
    }
}

extension Reason.Condition: CaseIterable {
    /// Every condition, once.
    public static let allCases: [Reason.Condition] = [
        .alternativeSession(sid: nil), .busy, .cancel, .connectivityError, .decline, .expired, .failedApplication,
        .failedTransport, .generalError, .gone, .incompatibleParameters, .mediaError, .securityError, .success,
        .timeout, .unsupportedApplications, .unsupportedTransports,
    ]

    init?(name: String, sid: String?) {
        let name = String(name.map { $0 == "_" ? "-" : $0 })
        guard let condition = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = if case .alternativeSession = condition { .alternativeSession(sid: sid) } else { condition }
    }

    /// The name of the condition's element.
    public var name: String {
        switch self {
        case .alternativeSession: "alternative-session"
        case .busy: "busy"
        case .cancel: "cancel"
        case .connectivityError: "connectivity-error"
        case .decline: "decline"
        case .expired: "expired"
        case .failedApplication: "failed-application"
        case .failedTransport: "failed-transport"
        case .generalError: "general-error"
        case .gone: "gone"
        case .incompatibleParameters: "incompatible-parameters"
        case .mediaError: "media-error"
        case .securityError: "security-error"
        case .success: "success"
        case .timeout: "timeout"
        case .unsupportedApplications: "unsupported-applications"
        case .unsupportedTransports: "unsupported-transports"
        }
    }
}
