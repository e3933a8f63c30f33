// RFC 1035 § 4: DNS messages, as far as SRV records need them

/// Why an answer from the DNS cannot be read.
enum DNSAnswerError: Error, Sendable, Hashable {
    /// It ends too early, or a length in it is wrong.
    case malformed
    /// It is no answer but a question.
    case notAnAnswer
    /// The server refused or failed, with this response code.
    case refused(code: UInt8)
}

/// The SRV records of one answer from the DNS.
struct DNSAnswer: Sendable, Hashable {
    /// The records, at most 32; those with a target that is no host name are left out.
    var records: [ServiceRecord] = []

    /// Reads an answer. The bytes may be anything: nothing in them is trusted.
    init(_ bytes: [UInt8]) throws(DNSAnswerError) {
        var reader = Reader(bytes: bytes)
        _ = try reader.number16()
        let flags = try reader.number16()
        guard flags & 0x8000 != 0 else { throw .notAnAnswer }
        let questionCount = try reader.number16()
        let answerCount = try reader.number16()
        try reader.skip(4)
        switch flags & 0xF {
        case 0: break
        case 3: return  // The name does not exist: there are no records.
        case let code: throw .refused(code: UInt8(code))
        }
        for _ in 0..<questionCount {
            _ = try reader.name()
            try reader.skip(4)
        }
        for _ in 0..<answerCount where records.count < 32 {
            _ = try reader.name()
            let type = try reader.number16()
            let class_ = try reader.number16()
            try reader.skip(4)
            let dataByteCount = Int(try reader.number16())
            let end = reader.position + dataByteCount
            guard end <= bytes.count else { throw .malformed }
            if type == 33, class_ == 1 {
                let record = ServiceRecord(
                    priority: try reader.number16(), weight: try reader.number16(), port: try reader.number16(),
                    target: "")
                let target = try reader.name()
                guard reader.position == end else { throw .malformed }
                if let target = Self.hostName(target) {
                    records.append(
                        ServiceRecord(
                            priority: record.priority, weight: record.weight, port: record.port, target: target))
                }
            }
            reader.position = end
        }
    }

    /// The labels as a host name; `nil` when a label holds what no host name has.
    private static func hostName(_ labels: [[UInt8]]) -> String? {
        let isHostName = labels.joined().allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard isHostName else { return nil }
        return labels.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".").lowercased()
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        mutating func number16() throws(DNSAnswerError) -> UInt16 {
            guard position + 2 <= bytes.count else { throw .malformed }
            defer { position += 2 }
            return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
        }

        mutating func skip(_ byteCount: Int) throws(DNSAnswerError) {
            guard position + byteCount <= bytes.count else { throw .malformed }
            position += byteCount
        }

        /// Reads a name as its labels. A pointer may only go backwards, so there can be no loop (RFC 1035 § 4.1.4).
        mutating func name() throws(DNSAnswerError) -> [[UInt8]] {
            var labels: [[UInt8]] = []
            var byteCount = 0
            var at = position
            var earliest = position
            var hasJumped = false
            while true {
                guard at < bytes.count else { throw .malformed }
                let length = Int(bytes[at])
                switch length & 0xC0 {
                case 0xC0:
                    guard at + 1 < bytes.count else { throw .malformed }
                    let target = (length & 0x3F) << 8 | Int(bytes[at + 1])
                    guard target < earliest else { throw .malformed }
                    if !hasJumped { position = at + 2 }
                    hasJumped = true
                    earliest = target
                    at = target
                case 0:
                    guard length > 0 else {
                        if !hasJumped { position = at + 1 }
                        return labels
                    }
                    byteCount += length + 1
                    guard at + 1 + length <= bytes.count, byteCount <= 254 else { throw .malformed }
                    labels.append(Array(bytes[at + 1..<at + 1 + length]))
                    at += 1 + length
                default: throw .malformed
                }
            }
        }
    }
}
