import NIOCore
import NIOEmbedded
import SecureChannels
import Testing

@testable import Client

@Suite struct TLSHandlerTests {
    let handler = TLSHandler()
    let channel: EmbeddedChannel
    let configuration = TLSConfiguration(serverName: "example.org")

    init() throws {
        channel = EmbeddedChannel(handler: handler)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    @Test func unencryptedBytesPassBeforeTLS() throws {
        try channel.writeInbound(ByteBuffer(string: "<stream>"))
        #expect(try channel.readInbound(as: ByteBuffer.self) == ByteBuffer(string: "<stream>"))
        try channel.writeOutbound(ByteBuffer(string: "<starttls/>"))
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(string: "<starttls/>"))
    }

    @Test func theHandshakeBeginsWhenAllWasRead() throws {
        try channel.writeInbound(ByteBuffer(string: "<proceed/>"))
        let future = try #require(handler.start(configuration, consumedByteCount: 10))
        let hello = try #require(try channel.readOutbound(as: ByteBuffer.self))
        #expect(hello.getInteger(at: 0, as: UInt8.self) == 22)
        #expect(channel.isActive)
        _ = try channel.finish(acceptAlreadyClosed: true)
        #expect(throws: TLSError.truncated) { try future.wait() }
    }

    /// Somebody on the way sends a stanza after `<proceed/>`, in the hope that it passes for an encrypted one.
    @Test func whatCameUnencryptedAndUnreadEndsIt() throws {
        try channel.writeInbound(ByteBuffer(string: "<proceed/>"))
        try channel.writeInbound(ByteBuffer(string: "<message from='boss@example.org'/>"))
        let future = try #require(handler.start(configuration, consumedByteCount: 10))
        #expect(throws: TLSHandler.Refusal.self) { try future.wait() }
        #expect(!channel.isActive)
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    }

    @Test func garbageInTheHandshakeEndsIt() throws {
        let future = try #require(handler.start(configuration, consumedByteCount: 0))
        try channel.writeInbound(ByteBuffer(string: "<stream:error/></stream:stream>"))
        #expect {
            try future.wait()
        } throws: { error in
            if case TLSError.protocolFailure = error { true } else { false }
        }
        #expect(!channel.isActive)
        #expect(try channel.readInbound(as: ByteBuffer.self) == nil)
    }

    @Test func aNameThatCannotBeUsedEndsIt() throws {
        let future = try #require(handler.start(TLSConfiguration(serverName: "münchen.example"), consumedByteCount: 0))
        #expect(throws: TLSError.serverNameUnusable("münchen.example")) { try future.wait() }
        #expect(!channel.isActive)
    }

    @Test func nothingIsWrittenDuringTheHandshake() throws {
        _ = try #require(handler.start(configuration, consumedByteCount: 0))
        _ = try channel.readOutbound(as: ByteBuffer.self)
        #expect(throws: ChannelError.ioOnClosedChannel) {
            try channel.writeOutbound(ByteBuffer(string: "<presence/>"))
        }
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
    }
}
