// XEP-0198 § 4 and § 6
internal import XML

/// How a server breaks the rules of stream management.
public enum StreamManagementViolation: Error, Sendable, Hashable {
    /// An element that does not belong there; its name.
    case unexpected(String)
    /// An element that cannot be read; its name.
    case malformed(String)
    /// It acknowledges more than was sent, or less than it has acknowledged before.
    case handledCountTooHigh(UInt32, sent: UInt32)

    /// What to send last, as a stream error and the end of the stream.
    public var closingText: String {
        switch self {
        case .unexpected: StreamError(.unsupportedStanzaType).closingText
        case .malformed: StreamError(.invalidXML).closingText
        case .handledCountTooHigh(let handled, let sent):
            "<stream:error>"
                + XMLElement(StreamError.Condition.undefinedCondition.rawValue, namespace: Namespace.streamErrors)
                .serialized()
                + XMLElement(
                    "handled-count-too-high", namespace: StreamManagement.namespace,
                    attributes: ["h": "\(handled)", "send-count": "\(sent)"]
                ).serialized() + "</stream:error></stream:stream>"
        }
    }
}
