import Foundation
import Synchronization

/// Ports of 127.0.0.1 for servers that have to be told theirs.
package enum LoopbackPorts {
    /// Every port is in use.
    package struct NoneFree: Error {}

    private static let rowLength: UInt16 = 128
    /// The first ports of the rows that tests of this process have had.
    private static let given = Mutex<Set<UInt16>>([])

    /// 128 ports in a row that nobody uses, over TCP or UDP. No other test of this process gets one of them, nor does a socket
    /// that asks for any port, unless the system is set up to give nearly every port to those.
    ///
    /// - Throws: ``NoneFree``.
    package static func row() throws -> Range<UInt16> {
        let ephemeral = ephemeralPorts
        let rows = (10_000 / rowLength..<UInt16.max / rowLength).map { $0 * rowLength..<($0 + 1) * rowLength }
        let outside = rows.filter { !$0.overlaps(ephemeral) }
        for row in (outside.isEmpty ? rows : outside).shuffled() {
            guard given.withLock({ $0.insert(row.lowerBound).inserted }) else { continue }
            if row.allSatisfy({ (try? HeldPort($0)) != nil }) { return row }
        }
        throw NoneFree()
    }

    /// What the system chooses from when a socket asks for any port.
    private static var ephemeralPorts: Range<UInt16> {
        let text = try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)
        let limits = (text ?? "").split { $0.isWhitespace }.compactMap { UInt16($0) }
        guard limits.count == 2, limits[0] <= limits[1], limits[1] < .max else { return 32_768..<61_000 }
        return limits[0]..<limits[1] + 1
    }
}
