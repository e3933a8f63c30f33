import SecureChannels
import XMPP

/// The certificates of the devices met so far, as ssh keeps its known_hosts.
///
/// A line is `address TAB device TAB fingerprint`; the fingerprint is SHA-256 in colon-separated hexadecimal.
struct KnownDevices {
    /// How a presented fingerprint compares with what is known.
    enum Verdict: Equatable {
        /// The device was met before with this very certificate.
        case known
        /// This device was never met; whether any other device of the address was.
        case new(knowsOthers: Bool)
        /// The device was met before with another certificate.
        case changed(known: String)
    }

    private let file: PrivateFile

    init() throws(Failure) {
        file = PrivateFile(folder: try Folders.state(), name: "known_devices")
    }

    var path: String { file.path }

    /// Compares a fingerprint with what is known of that device.
    func verdict(for peer: JID, fingerprint: Fingerprint) throws(Failure) -> Verdict {
        let entries = try entries()
        let ofAddress = entries.filter { $0.address == peer.bare.description }
        guard let entry = ofAddress.first(where: { $0.device == Self.device(of: peer) }) else {
            return .new(knowsOthers: !ofAddress.isEmpty)
        }
        return entry.fingerprint == fingerprint.description ? .known : .changed(known: entry.fingerprint)
    }

    /// Remembers a device that has proved to own its certificate.
    func remember(_ peer: JID, fingerprint: Fingerprint) throws(Failure) {
        try file.withLock { () throws(Failure) in
            var text = try file.read() ?? ""
            if !text.isEmpty, !text.hasSuffix("\n") { text += "\n" }
            text += "\(peer.bare)\t\(Self.device(of: peer))\t\(fingerprint)\n"
            try file.write(text)
        }
    }

    /// The device a resource stands for: what precedes the first dot, since a sending sleigh appends a random part.
    private static func device(of peer: JID) -> String {
        String((peer.resource ?? "").prefix { $0 != "." })
    }

    private struct Entry {
        var address: String
        var device: String
        var fingerprint: String
    }

    private func entries() throws(Failure) -> [Entry] {
        (try file.read() ?? "").split(separator: "\n").compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            return Entry(address: String(fields[0]), device: String(fields[1]), fingerprint: String(fields[2]))
        }
    }
}
