// XEP-0363: HTTP File Upload § 4: finding the service

/// What a service that takes files over HTTP tells of itself.
public struct HTTPUploadDiscovery: Sendable, Hashable {
    /// The namespace, and the feature of such services.
    public static let namespace = "urn:xmpp:http:upload:0"

    /// The size in bytes of the largest file it takes; `nil` when not told.
    public var maximumFileByteCount: UInt64?

    /// Reads what an entity said about itself; `nil` when it is no such service.
    public init?(_ info: ServiceDiscoveryInfo) {
        guard info.has(Self.namespace) else { return nil }
        let form = info.forms.first { form in
            form.fields.contains { $0.name == "FORM_TYPE" && $0.values == [Self.namespace] }
        }
        let size = form?.fields.first { $0.name == "max-file-size" }?.values.first
        maximumFileByteCount = size.flatMap { UInt64($0) }
    }
}
