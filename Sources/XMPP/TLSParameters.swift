/// What the TLS connection offers to a log-in.
public struct TLSParameters: Sendable, Hashable {
    /// The versions of TLS that may carry a stream.
    public enum Version: Sendable, Hashable {
        case tls12, tls13
    }

    /// The negotiated version.
    public var version: Version
    /// The channel-binding data of those types that could be had.
    public var channelBindings: [ChannelBindingType: [UInt8]]

    /// Creates the parameters.
    public init(version: Version, channelBindings: [ChannelBindingType: [UInt8]] = [:]) {
        self.version = version
        self.channelBindings = channelBindings
    }

    /// The types that may be used with this version, the strongest first.
    var usableTypes: [ChannelBindingType] {
        let candidates: [ChannelBindingType] =
            switch version {
            case .tls12: [.tlsUnique, .tlsServerEndPoint]
            case .tls13: [.tlsExporter, .tlsServerEndPoint]
            }
        return candidates.filter { channelBindings[$0] != nil }
    }
}
