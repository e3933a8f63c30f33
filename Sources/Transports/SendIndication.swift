// RFC 8656 § 11.1 (Send indications), RFC 8489 § 5 and 14 (STUN's header, attributes and XOR-PEER-ADDRESS).
internal import Glibc
internal import ICE

/// What stands before the data, and what after, in the messages that have a TURN server send to one peer.
struct SendIndication {
    /// STUN's magic cookie.
    static let cookie: UInt32 = 0x2112_A442
    /// The multiple of bytes that an attribute takes up.
    static let alignment = 4

    /// The header up to the length of the data, which with the message's own length is still to be filled in.
    private let template: [UInt8]

    /// Prepares messages to a peer. All have one transaction, since no answer to them is to be told from others.
    ///
    /// - Parameter transaction: as `withUnsafeBytes` gives it, 12 bytes; random.
    init(peer: ICEAddress, transaction: (UInt64, UInt32)) {
        var bytes: [UInt8] = [0x00, 0x16, 0, 0]
        Self.append(Self.cookie, to: &bytes)
        Self.append(transaction.0, to: &bytes)
        Self.append(transaction.1, to: &bytes)
        let mask = Array(bytes[4..<20])
        var address = peer.socketAddress
        let octets = withUnsafeBytes(of: &address) { storage in
            switch peer.family {
            case .ipv4: Array(storage[4..<8])
            case .ipv6: Array(storage[8..<24])
            }
        }
        // XOR-PEER-ADDRESS, and the start of DATA.
        bytes += [0x00, 0x12, 0, UInt8(4 + octets.count), 0, peer.family == .ipv4 ? 1 : 2]
        Self.append(peer.port ^ UInt16(Self.cookie >> 16), to: &bytes)
        bytes += zip(octets, mask).map { $0 ^ $1 }
        bytes += [0x00, 0x13, 0, 0]
        template = bytes
    }

    private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// The bytes before the data.
    var headerByteCount: Int { template.count }

    /// The zeros after so many bytes of data.
    static func paddingByteCount(after byteCount: Int) -> Int { -byteCount & (alignment - 1) }

    /// The bytes of a message with so much data.
    func messageByteCount(for byteCount: Int) -> Int {
        template.count + byteCount + Self.paddingByteCount(after: byteCount)
    }

    /// Writes the header for so many bytes of data, at most 65 000.
    func writeHeader(for byteCount: Int, to target: UnsafeMutableRawBufferPointer) {
        target.copyBytes(from: template)
        let length = messageByteCount(for: byteCount) - 20
        target.storeBytes(of: UInt16(length).bigEndian, toByteOffset: 2, as: UInt16.self)
        target.storeBytes(of: UInt16(byteCount).bigEndian, toByteOffset: template.count - 2, as: UInt16.self)
    }
}
