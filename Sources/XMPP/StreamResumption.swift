// XEP-0198 § 5: Resumption
public import XML

/// The wish to go on with a stream over another connection.
public struct StreamResumption: Sendable, Hashable {
    /// What the server says of a stream that can be resumed.
    public struct Session: Sendable, Hashable {
        /// The most bytes of what comes from the server.
        private static let idByteLimit = 4000
        private static let locationByteLimit = 512

        /// The identifier of the stream.
        public let id: String
        /// Where the server would like the client to connect to, as a host or an address and maybe a port.
        public let location: String?
        /// For how many seconds the server keeps the stream after the connection is lost, where it says so.
        public let maximumSeconds: Int?

        /// Reads `<enabled/>`; `nil` when the stream cannot be resumed.
        init?(_ element: XMLElement) {
            guard ["true", "1"].contains(element["resume"]), let id = element["id"], !id.isEmpty,
                id.utf8.count <= Self.idByteLimit
            else { return nil }
            self.id = id
            location = element["location"].flatMap { $0.utf8.count <= Self.locationByteLimit ? $0 : nil }
            maximumSeconds = element["max"].flatMap(UInt32.init(decimal:)).flatMap { $0 > 0 ? Int($0) : nil }
        }
    }

    /// The identifier that the server gave the stream.
    public let id: String
    /// How many stanzas came over it.
    public let handledCount: UInt32

    /// The `<resume/>` element.
    public var element: XMLElement {
        XMLElement(
            "resume", namespace: StreamManagement.namespace, attributes: ["previd": id, "h": "\(handledCount)"])
    }

    /// Reads the answer: how many stanzas the server has received, or why there is no resumption.
    ///
    /// - Throws: `StreamManagementViolation` when it is no answer to this.
    func answer(
        _ element: XMLElement
    ) throws(StreamManagementViolation) -> Result<UInt32, StanzaError> {
        switch element.name {
        case "resumed":
            guard element["previd"] == id else { throw .malformed(element.name) }
            return .success(try Self.handledCount(in: element))
        case "failed": return .failure(StanzaError(element))
        default: throw .unexpected(element.name)
        }
    }

    static func handledCount(in element: XMLElement) throws(StreamManagementViolation) -> UInt32 {
        guard let count = element["h"].flatMap(UInt32.init(decimal:)) else { throw .malformed(element.name) }
        return count
    }
}

extension UInt32 {
    /// Reads digits alone: no sign, no more than ten.
    fileprivate init?(decimal text: String) {
        guard !text.isEmpty, text.utf8.count <= 10, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        self.init(text)
    }
}
