import FileTransfer
import Foundation
import SecureChannels
import Testing
import XMPP

/// The catalogue says what the program advertises.
@Test func catalogueListsWhatServiceDiscoveryAdvertises() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..")
    let page = try String(contentsOf: root.appending(path: "Sources/sleigh/sleigh.docc/XEPs.md"), encoding: .utf8)
    let rows = page.split(separator: "\n").filter { $0.hasPrefix("| XEP-") || $0.hasPrefix("| none") }
    let listed = rows.flatMap { row in
        row.split(separator: "|").last.map { column in column.matches(of: /`([^`]+)`/).map { String($0.1) } } ?? []
    }
    let registry = ServiceDiscoveryRegistry(features: TransferService.features) { DigestAlgorithm.sha1.hash($0) }
    #expect(Set(listed) == Set(registry.features))
    #expect(listed.count == registry.features.count)
}
