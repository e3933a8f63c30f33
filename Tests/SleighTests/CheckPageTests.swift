import Foundation
import Testing

@testable import sleigh

/// The catalogue's page documents every key that `sleigh check --json` prints, and names no other.
@Test func pageListsTheKeysOfTheReport() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    let page = try String(contentsOf: root.appending(path: "Sources/sleigh/sleigh.docc/Check.md"), encoding: .utf8)
    var listed: Set<String> = []
    for row in page.split(separator: "\n") where row.hasPrefix("| `") {
        let cells = row.split(separator: "|")
        let isNested = row.hasPrefix("| `connection`") || row.hasPrefix("| `proxies`") || row.hasPrefix("| `uploads`")
        for cell in isNested ? cells.prefix(2) : cells.prefix(1) {
            listed.formUnion(cell.matches(of: /`([a-z0-9_]+)`/).map { String($0.1) })
        }
    }
    // A value, not a key.
    listed.remove("starttls")
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let printed = try JSONSerialization.jsonObject(with: encoder.encode(fullReport))
    #expect(keys(in: printed).sorted() == listed.sorted())
}

private func keys(in value: Any) -> Set<String> {
    if let list = value as? [Any] { return list.reduce(into: []) { $0.formUnion(keys(in: $1)) } }
    guard let object = value as? [String: Any] else { return [] }
    return object.values.reduce(into: Set(object.keys)) { $0.formUnion(keys(in: $1)) }
}

/// A report in which nothing is left out.
private var fullReport: CheckReport {
    let family = CheckReport.Family(
        hostAddresses: ["a"], publicAddress: "b", nat: "none", mapping: "unknown", mappingBasis: "c", keepsPort: true)
    let device = CheckReport.PeerDevice(
        address: "a", client: "b", type: "c", priority: 1, jingle: true, fileTransfer: true, takesProposals: true,
        transports: [], sharedTransports: [], canReceive: true, reason: "d", caveat: "e")
    return CheckReport(
        account: "a",
        connection: .init(host: "a", port: 1, ip: "b", security: "c", tlsVersion: "d", saslMechanism: "e"),
        server: .init(
            externalServices: true, carbons: true, streamManagement: true,
            proxies: [.init(address: "a", hosts: [], reason: "b")],
            uploads: [.init(address: "a", maximumFileByteCount: 1)]),
        services: [
            .init(
                kind: "a", transport: "b", host: "c", port: 1, ipVersion: 4, works: true, address: "d", reason: "e")
        ],
        network: .init(udp: "open", relay: "none", ipv4: family, ipv6: family),
        recipient: .init(
            address: "a", subscription: "b", reachable: true, canReceive: true, reason: "c", devices: [device]))
}
