// XEP-0166 § 4: the application, which is the "what" of a session.
import Jingle

/// What a session carries.
public enum TransferApplication: Sendable, Hashable, CaseIterable {
    /// A file, from its initiator (XEP-0234).
    case file
    /// A stream of bytes (Wire/Stream.md); with another client only in one direction.
    case stream
    /// Any number of connections (Wire/Forward.md).
    case forward
    /// A measurement of the path (Wire/Jingle-Bench.md).
    case bench

    /// The namespaces by which peers know it, ours to advertise.
    var features: [String] {
        switch self {
        case .file: [FileDescription.namespace, FileContinuation.namespace]
        case .stream: [ByteStreamDescription.namespace, StreamContinuation.namespace]
        case .forward: [ForwardDescription.namespace, StreamContinuation.namespace]
        case .bench: [BenchDescription.namespace]
        }
    }

    /// The namespace by which peers know whether it can go on in another session; `nil` when it never can.
    var continuation: String? {
        switch self {
        case .file: FileContinuation.namespace
        case .stream, .forward: StreamContinuation.namespace
        case .bench: nil
        }
    }

    /// The name of the content in a session of ours.
    var contentName: String {
        switch self {
        case .file: "file"
        case .stream: "stream"
        case .forward: "forward"
        case .bench: "bench"
        }
    }

    /// Whether it is never carried without encryption between the two devices, except in one direction.
    var isAlwaysEncrypted: Bool { self != .file }

    /// The application that a description belongs to; `nil` when it is none of ours.
    init?(of description: ContentDescription) {
        switch description {
        case .fileTransfer: self = .file
        case .forward: self = .forward
        case .stream, .oneWayStream: self = .stream
        case .bench: self = .bench
        case .unknown: return nil
        }
    }
}
