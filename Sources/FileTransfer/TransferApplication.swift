// XEP-0166 § 4: the application, which is the "what" of a session.
import Jingle

/// What a session carries.
public enum TransferApplication: Sendable, Hashable, CaseIterable {
    /// A file, from its initiator (XEP-0234).
    case file
    /// A stream of bytes (Wire/Stream.md); with another client only in one direction.
    case stream

    /// The namespaces by which peers know it, ours to advertise.
    var features: [String] {
        switch self {
        case .file: [FileDescription.namespace, FileContinuation.namespace]
        case .stream: [ByteStreamDescription.namespace]
        }
    }

    /// The application that a description belongs to; `nil` when it is none of ours.
    init?(of description: ContentDescription) {
        switch description {
        case .fileTransfer: self = .file
        case .stream, .oneWayStream: self = .stream
        case .unknown: return nil
        }
    }
}
