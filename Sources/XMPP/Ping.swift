// XEP-0199: XMPP Ping
public import XML

/// The question whether somebody is there.
public enum Ping {
    /// The namespace, and the feature of those who answer.
    public static let namespace = "urn:xmpp:ping"

    /// The payload of a request. Any answer, an error too, proves that the server is there (§ 4.2).
    public static var request: XMLElement { XMLElement("ping", namespace: namespace) }

    /// The answer to a ping; `nil` when it is another request.
    public static func answer(to request: IQ) -> IQ? {
        guard case .get(let ping) = request.content, ping.matches("ping", namespace: namespace) else { return nil }
        return request.result()
    }
}
