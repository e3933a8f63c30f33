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
        case .file: [FileDescription.namespace]
        case .stream: [ByteStreamDescription.namespace]
        }
    }

    /// Whether a description belongs to it.
    func covers(_ description: ContentDescription) -> Bool {
        switch (self, description) {
        case (.file, .fileTransfer), (.stream, .stream), (.stream, .oneWayStream): true
        case (.file, _), (.stream, _): false
        }
    }
}
