// XEP-0166 § 4: the application, which is the "what" of a session.
import Jingle

/// What a session carries.
public enum TransferApplication: Sendable, Hashable, CaseIterable {
    /// A file, from its initiator (XEP-0234).
    case file
    /// A stream of bytes (Wire/Stream.md).
    case stream
    /// Any number of connections (Wire/Forward.md).
    case forward

    /// The namespaces by which peers know it, ours to advertise.
    var features: [String] {
        switch self {
        case .file: [FileDescription.namespace]
        case .stream: [ByteStreamDescription.namespace]
        case .forward: [ForwardDescription.namespace]
        }
    }

    /// The application that a description belongs to; `nil` when it is none of ours.
    init?(of description: ContentDescription) {
        switch description {
        case .fileTransfer: self = .file
        case .stream: self = .stream
        case .forward: self = .forward
        case .unknown: return nil
        }
    }
}
