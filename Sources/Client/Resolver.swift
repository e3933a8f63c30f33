internal import CResolver
internal import NIOPosix

/// Asks the DNS for SRV records through the system's resolver.
enum Resolver {
    /// There is no answer, as opposed to the answer that there are no records.
    struct Failure: Error, Sendable, Hashable {
        var reason: String
    }

    /// The SRV records of a name; none when it has none or does not exist.
    ///
    /// Ends after some ten seconds at the latest, by the resolver's own limits.
    static func serviceRecords(of name: String) async throws -> [ServiceRecord] {
        try await NIOThreadPool.singleton.runIfActive { try queryBlocking(name) }
    }

    private static func queryBlocking(_ name: String) throws(Failure) -> [ServiceRecord] {
        var answer = [UInt8](repeating: 0, count: 65535)
        var reason: UnsafePointer<CChar>?
        let byteCount = Int(sleigh_query_srv(name, &answer, Int32(answer.count), &reason))
        if byteCount == 0 { return [] }
        guard byteCount > 0 else { throw Failure(reason: reason.map { String(cString: $0) } ?? "no answer") }
        do throws(DNSAnswerError) {
            return try DNSAnswer(Array(answer.prefix(byteCount))).records
        } catch {
            throw Failure(reason: "the name server's answer cannot be read")
        }
    }
}
