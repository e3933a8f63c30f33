internal import NIOCore
internal import SecureChannels

/// What the bytes of a TCP connection go through between the stream's blocks and the socket.
enum TCPCodec {
    case tls(TLSPeerEngine)
    case plain

    /// Writes the protected form of a block.
    func encode(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) throws(TLSError) {
        switch self {
        case .tls(let engine):
            try buffer.writeWithUnsafeMutableBytes(
                minimumWritableBytes: TLSPeerEngine.encryptedByteCount(of: bytes.count)
            ) { (room) throws(TLSError) in
                try engine.send(bytes, into: room)
            }
            takeOutput(into: &buffer)
        case .plain: buffer.writeBytes(bytes)
        }
    }

    /// Writes bytes that mean nothing to the peer.
    ///
    /// - Parameter isEnded: whether our direction has ended, after which a peer ignores what comes (RFC 8446 § 6.1).
    func encodeNothing(isEnded: Bool, into buffer: inout ByteBuffer) throws(TLSError) {
        guard case .tls(let engine) = self else { return }
        if isEnded {
            buffer.writeInteger(UInt8(0))
        } else {
            try engine.updateKey()
            takeOutput(into: &buffer)
        }
    }

    /// Ends our direction, as far as that is not left to TCP.
    func close() { if case .tls(let engine) = self { engine.close() } }

    /// Writes what has to be said beside the stream's bytes.
    func takeOutput(into buffer: inout ByteBuffer) {
        guard case .tls(let engine) = self, engine.outputByteCount > 0 else { return }
        _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: engine.outputByteCount) {
            engine.takeOutput(into: $0)
        }
    }

    /// Takes bytes from the network and gives the stream's bytes that are in them, some at a time.
    ///
    /// - Returns: how many were written to `room`; 0 when more must come first, and at the end.
    func decode(
        _ input: inout ByteBuffer, into room: UnsafeMutableRawBufferPointer
    ) throws(TLSError) -> Int {
        switch self {
        case .tls(let engine):
            var byteCount = 0
            try input.readWithUnsafeReadableBytes { (bytes) throws(TLSError) in
                var rest = bytes
                byteCount = try engine.read(from: &rest, into: room)
                return bytes.count - rest.count
            }
            return byteCount
        case .plain:
            return input.readWithUnsafeReadableBytes { bytes in
                let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(room.count))
                room.copyMemory(from: part)
                return part.count
            }
        }
    }

    /// Whether the peer has ended its direction in order; all that came is decoded.
    ///
    /// - Parameter isInputOver: whether FIN came.
    /// - Throws: `TLSError.truncated` when it came too early.
    func isEnded(isInputOver: Bool) throws(TLSError) -> Bool {
        switch self {
        case .tls(let engine):
            if engine.state == .closedByPeer { return true }
            if isInputOver { try engine.endOfInput() }
            return false
        case .plain: return isInputOver
        }
    }
}
