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
        self.init(folder: try Folders.state())
    }

    init(folder: String) {
        file = PrivateFile(folder: folder, name: "known_devices")
    }

    var path: String { file.path }

    /// Whether that device was met before.
    func knows(_ peer: JID) throws(Failure) -> Bool {
        try entries().contains { $0.address == peer.bare.description && $0.device == Self.device(of: peer) }
    }

    /// Whether any device of that account was met before.
    func knowsDevice(of account: JID) throws(Failure) -> Bool {
        try entries().contains { $0.address == account.bare.description }
    }

    /// Compares a fingerprint with what is known of that device.
    func verdict(for peer: JID, fingerprint: Fingerprint) throws(Failure) -> Verdict {
        let entries = try entries()
        let ofAddress = entries.filter { $0.address == peer.bare.description }
        guard let entry = ofAddress.first(where: { $0.device == Self.device(of: peer) }) else {
            return .new(knowsOthers: !ofAddress.isEmpty)
        }
        return entry.fingerprint == fingerprint.description ? .known : .changed(known: entry.fingerprint)
    }

    /// Remembers a device that has proved to own its certificate, unless it was met before.
    ///
    /// - Returns: what was known before; of two that come at the same time, the later one sees the earlier.
    func remember(_ peer: JID, fingerprint: Fingerprint) throws(Failure) -> Verdict {
        try file.withLock { () throws(Failure) in
            let verdict = try verdict(for: peer, fingerprint: fingerprint)
            guard case .new = verdict else { return verdict }
            var text = try file.read() ?? ""
            if !text.isEmpty, !text.hasSuffix("\n") { text += "\n" }
            text += "\(peer.bare)\t\(Self.device(of: peer))\t\(fingerprint)\n"
            try file.write(text)
            return verdict
        }
    }

    /// The device a resource stands for: without the random part that a sending sleigh appends
    /// (`Device.resourceForOneRun`).
    private static func device(of peer: JID) -> String {
        let resource = peer.resource ?? ""
        guard let dot = resource.lastIndex(of: "."), dot != resource.startIndex else { return resource }
        let suffix = resource[dot...].utf8.dropFirst()
        let isHexadecimal = suffix.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        return suffix.count == 6 && isHexadecimal ? String(resource[..<dot]) : resource
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
