/// One step of the ladder of transport methods: what makes a method when it is its turn.
public struct TransportRung: Sendable {
    /// The namespace of its `<transport/>`.
    public let namespace: String
    /// What people call it, such as `SOCKS5`.
    public let name: String
    /// Whether it may be used. One that may not only serves to answer an offer in a way that leads on to the next rung.
    public let isAllowed: Bool
    let prepare: @Sendable () async -> Void
    let make: @Sendable (_ isOfferer: Bool) async throws(TransportFailure) -> any TransportMethod

    /// Creates a rung.
    ///
    /// - Parameters:
    ///   - prepare: fetches what `make` will need from elsewhere, while the rungs above are still being tried. It may not
    ///     be called, or be called while `make` already runs.
    ///   - make: makes the method, which this side proposes (`isOfferer`) or the peer has proposed.
    public init(
        namespace: String, name: String, isAllowed: Bool = true, prepare: @escaping @Sendable () async -> Void = {},
        make: @escaping @Sendable (_ isOfferer: Bool) async throws(TransportFailure) -> any TransportMethod
    ) {
        self.namespace = namespace
        self.name = name
        self.isAllowed = isAllowed
        self.prepare = prepare
        self.make = make
    }
}
