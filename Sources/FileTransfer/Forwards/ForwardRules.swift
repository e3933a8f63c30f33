// What peers may reach through this device, in the manner of sshd's PermitOpen and PermitListen.
public import Jingle

/// What peers may connect to and listen at; nothing, unless it is named.
public struct ForwardRules: Sendable, Hashable {
    /// Addresses that are allowed: one, or all ports of a host.
    public struct Pattern: Sendable, Hashable {
        private enum Kind: Hashable {
            case unix(String)
            /// `nil` stands for any.
            case tcp(hosts: Set<String>?, port: UInt16?)
        }

        private let kind: Kind

        /// Reads `HOST:PORT`, either of them `*` for any, or `unix:PATH`; `nil` when it is neither.
        public init?(connecting text: String) { self.init(text, hostIfNone: nil) }

        /// Reads `[BIND:]PORT`, without a bind address for the loopback addresses, or `unix:PATH`; `nil` when it is neither.
        public init?(listening text: String) {
            self.init(text, hostIfNone: ["localhost", "127.0.0.1", "::1"])
        }

        private init?(_ text: String, hostIfNone: Set<String>?) {
            if text.hasPrefix("unix:") {
                let path = String(text.dropFirst(5))
                guard ForwardAddress.unix(path: path).isValid else { return nil }
                kind = .unix(path)
                return
            }
            let colon = text.lastIndex(of: ":")
            let portText = colon.map { text[text.index(after: $0)...] } ?? text[...]
            let port = portText == "*" ? nil : UInt16(portText)
            guard portText == "*" || port != nil && (port != 0 || hostIfNone != nil) else { return nil }
            guard let colon else {
                guard let hostIfNone else { return nil }
                kind = .tcp(hosts: hostIfNone, port: port)
                return
            }
            var host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                return nil
            }
            guard ForwardAddress.tcp(host: String(host), port: 1).isValid else { return nil }
            kind = .tcp(hosts: host == "*" ? nil : [host.lowercased()], port: port)
        }

        /// Whether an address is one of these. Names are compared as they are written, and never looked up.
        public func covers(_ address: ForwardAddress) -> Bool {
            switch (kind, address) {
            // To the kernel two spellings of a letter are two paths.
            case (.unix(let allowed), .unix(let path)): allowed.utf8.elementsEqual(path.utf8)
            case (.tcp(let hosts, let allowed), .tcp(let host, let port)):
                (hosts?.contains(host.lowercased()) ?? true) && (allowed ?? port) == port
            case (.unix, .tcp), (.tcp, .unix): false
            }
        }
    }

    /// What may be connected to.
    public var connecting: [Pattern]
    /// What may be listened at.
    public var listening: [Pattern]

    /// Allows what is named.
    public init(connecting: [Pattern] = [], listening: [Pattern] = []) {
        self.connecting = connecting
        self.listening = listening
    }
}
