extension StreamNegotiation.Action: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// What is to be done, fit for a log: the messages of the log-in, which may hold the password, are left out.
    public var description: String {
        switch self {
        case .send(let text):
            text.hasPrefix("<auth") || text.hasPrefix("<response") ? "send a message of the log-in" : "send \(text)"
        case .startTLS: "start TLS"
        case .restartStream: "restart the stream"
        case .bound(let address): "bound to \(address)"
        case .resumed(let handledCount): "resumed after \(handledCount) stanzas"
        case .failed(let error): "failed: \(error)"
        }
    }

    /// The same as the description.
    public var debugDescription: String { description }
    /// Shows nothing more than the description.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
