// RFC 8656 § 11.6 (Data indications) and § 12.4 (ChannelData), RFC 8489 § 5 and 14 (STUN's header and attributes).

/// Takes apart what a TURN server sends to its client.
enum RelayedData {
    /// The data that a message brings from a peer, within the message; `nil` for any other message, and for what is none.
    ///
    /// Any bytes may be given. Nothing is copied. Attributes other than the data are not looked at: whether it comes from
    /// the peer is for QUIC to find out.
    static func content(of message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard message.count > 4 else { return nil }
        switch message[0] & 0xC0 {
        case 0x40: return channelData(message)
        case 0x00: return dataIndication(message)
        default: return nil
        }
    }

    /// The padding that TCP needs is allowed over UDP too.
    private static func channelData(_ message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let end = 4 + number(in: message, at: 2)
        guard message[0] & 0xF0 == 0x40, end > 4, end <= message.count,
            message.count - end < SendIndication.alignment
        else { return nil }
        return UnsafeRawBufferPointer(rebasing: message[4..<end])
    }

    private static func dataIndication(_ message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard message.count >= 20, number(in: message, at: 0) == 0x0017,
            message.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == SendIndication.cookie.bigEndian,
            number(in: message, at: 2) == message.count - 20
        else { return nil }
        var offset = 20
        while offset + 4 <= message.count {
            let start = offset + 4
            let end = start + number(in: message, at: offset + 2)
            guard end <= message.count else { return nil }
            if number(in: message, at: offset) == 0x0013 {
                return end > start ? UnsafeRawBufferPointer(rebasing: message[start..<end]) : nil
            }
            offset = end + SendIndication.paddingByteCount(after: end - start)
        }
        return nil
    }

    private static func number(in message: UnsafeRawBufferPointer, at offset: Int) -> Int {
        Int(message[offset]) << 8 | Int(message[offset + 1])
    }
}
