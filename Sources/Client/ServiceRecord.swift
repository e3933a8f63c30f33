// RFC 2782: A DNS RR for specifying the location of services

/// One SRV record: where a service can be had.
struct ServiceRecord: Sendable, Hashable {
    /// Lower is tried first.
    var priority: UInt16
    /// The share among records of the same priority.
    var weight: UInt16
    /// The TCP port.
    var port: UInt16
    /// The host name, without a final dot; empty when the service is not available at this domain.
    var target: String

    /// Puts records in the order in which they are to be tried (RFC 2782, "Weight"): by priority, and within a
    /// priority by lot, with chances in proportion to the weights.
    static func ordered<Tagged>(
        _ items: [Tagged], by record: (Tagged) -> ServiceRecord, using random: inout some RandomNumberGenerator
    ) -> [Tagged] {
        var ordered: [Tagged] = []
        let priorities = Dictionary(grouping: items) { record($0).priority }.sorted { $0.key < $1.key }
        for (_, group) in priorities {
            // Those without weight come first, so that they have a small chance.
            var rest = group.filter { record($0).weight == 0 } + group.filter { record($0).weight != 0 }
            while !rest.isEmpty {
                let sum = rest.reduce(0) { $0 + Int(record($1).weight) }
                let lot = Int.random(in: 0...sum, using: &random)
                var running = 0
                let index = rest.firstIndex { item in
                    running += Int(record(item).weight)
                    return running >= lot
                }
                // The running sum reaches the sum, so there always is one.
                ordered.append(rest.remove(at: index ?? 0))
            }
        }
        return ordered
    }
}
