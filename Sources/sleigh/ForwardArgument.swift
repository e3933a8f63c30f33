import ArgumentParser
import FileTransfer
import Jingle

/// What `-L` and `-R` say: `[BIND:]PORT:HOST:PORT`, with a path in place of BIND and PORT, or of HOST and PORT.
struct ForwardArgument: ExpressibleByArgument, Equatable {
    var forward: ForwardClient.Forward

    init?(argument: String) {
        guard let fields = Self.fields(of: argument), 2...4 ~= fields.count else { return nil }
        let isPath = fields.map { $0.hasPrefix("/") }
        let sourceCount = isPath.first == true ? 1 : isPath.last == true ? fields.count - 1 : fields.count - 2
        guard let source = Self.address(Array(fields.prefix(sourceCount)), hostIfNone: "localhost"),
            let target = Self.address(Array(fields.dropFirst(sourceCount)), hostIfNone: nil)
        else { return nil }
        if case .tcp(let host, let port) = target, port == 0 || host == "*" { return nil }
        forward = ForwardClient.Forward(from: source, to: target)
    }

    /// A path, or a port with or without a host; all addresses when the host is empty.
    private static func address(_ fields: [String], hostIfNone: String?) -> ForwardAddress? {
        let address: ForwardAddress
        switch fields.count {
        case 1 where fields[0].hasPrefix("/"): address = .unix(path: fields[0])
        case 1:
            guard let hostIfNone, let port = UInt16(fields[0]) else { return nil }
            address = .tcp(host: hostIfNone, port: port)
        case 2:
            guard let port = UInt16(fields[1]), !fields[0].hasPrefix("/") else { return nil }
            address = .tcp(host: fields[0].isEmpty ? "*" : fields[0], port: port)
        default: return nil
        }
        return address.isValid ? address : nil
    }

    /// The parts between colons; an IPv6 address is one, in brackets.
    private static func fields(of text: String) -> [String]? {
        var fields: [String] = []
        var rest = text[...]
        while true {
            if rest.hasPrefix("[") {
                guard let end = rest.firstIndex(of: "]") else { return nil }
                fields.append(String(rest[rest.index(after: rest.startIndex)..<end]))
                rest = rest[rest.index(after: end)...]
                guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            } else {
                fields.append(String(rest.prefix { $0 != ":" }))
                rest = rest.drop { $0 != ":" }
            }
            guard !rest.isEmpty else { return fields }
            rest = rest.dropFirst()
        }
    }
}
