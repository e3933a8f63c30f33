internal import XML

/// The SASL mechanisms this client knows.
enum SASLMechanism: Sendable, Hashable {
    case scram(SASLHashFunction, SCRAM.ChannelBinding)
    case plain

    /// The name on the wire.
    var name: String {
        switch self {
        case .plain: "PLAIN"
        case .scram(let function, .used): "SCRAM-\(function.rawValue)-PLUS"
        case .scram(let function, .unsupported), .scram(let function, .notOffered): "SCRAM-\(function.rawValue)"
        }
    }

    /// Picks the best of the mechanisms that the server offers: one with channel binding before one without, SHA-256
    /// before SHA-1, PLAIN only if there is no SCRAM.
    ///
    /// Without channel binding, the flag tells the server whether we would have wanted it (RFC 5802 § 6): if somebody
    /// took the -PLUS mechanisms out of the list, the server refuses a `y`. XEP-0440 § 3 adds the list of types:
    /// - listed types of which we can use one: that one;
    /// - listed types of which we can use none: `n` if `tls-server-end-point` is among them, which every server has to
    ///   offer; if it is not, the list was tampered with, and the log-in is given up;
    /// - no list: the default for the TLS version, tls-exporter (RFC 9266 § 2) or tls-unique (RFC 5802 § 6.1);
    /// - a list, but no -PLUS mechanism: `y`. XEP-0440 would rather have a client give up. But a server whose operator
    ///   switched the -PLUS mechanisms off looks the same, and the `y` makes the server notice an attack.
    static func best(in features: XMLElement, tls: TLSParameters) throws(StreamNegotiationError) -> SASLMechanism {
        let offered =
            features.first("mechanisms", namespace: Namespace.sasl)?.all("mechanism").map(\.text) ?? []
        let functions: [SASLHashFunction] = [.sha256, .sha1]
        let plusFunction = functions.first { offered.contains("SCRAM-\($0.rawValue)-PLUS") }
        let plainFunction = functions.first { offered.contains("SCRAM-\($0.rawValue)") }
        var flag = SCRAM.ChannelBinding.unsupported
        if let preferred = tls.usableTypes.first {
            if let plusFunction {
                let listed = ChannelBindingType.advertised(in: features)
                let type = listed.map { listed in tls.usableTypes.first { listed.contains($0.rawValue) } } ?? preferred
                if let type, let data = tls.channelBindings[type] {
                    return .scram(plusFunction, .used(type, data: data))
                }
                guard listed?.contains(ChannelBindingType.tlsServerEndPoint.rawValue) == true else {
                    throw .channelBindingTampered
                }
            } else {
                flag = .notOffered
            }
        }
        if let plainFunction { return .scram(plainFunction, flag) }
        if offered.contains("PLAIN") { return .plain }
        throw .noMechanism(offered: offered)
    }
}
