import COpenSSL
import Foundation
import SecureChannels
import TestSupport
import Testing

/// Both ends of a TLS connection in memory, the server a plain OpenSSL one.
@Suite struct TLSEngineTests {
    let authority: TestCertificate
    let authorityFile: String

    init() throws {
        authority = try TestCertificate(commonName: "Test Authority", isAuthority: true)
        authorityFile = NSTemporaryDirectory() + "sleigh-tls-\(UUID().uuidString).pem"
        try authority.pem.write(toFile: authorityFile, atomically: true, encoding: .utf8)
    }

    func serverCertificate(names: String = "DNS:example.org", seconds: ClosedRange<Int> = -60...3600) throws
        -> TestCertificate
    {
        try TestCertificate(
            commonName: "example.org", alternativeNames: names, issuer: authority, validSeconds: seconds)
    }

    /// Connects to a server and returns both ends; the authority file is no longer needed then.
    func connect(
        _ certificate: TestCertificate, name: String = "example.org", trusting: Bool = true,
        newestVersion: Int32 = TLS1_3_VERSION, offering protocols: [String] = []
    ) throws -> (TLSEngine, TLSTestServer) {
        defer { try? FileManager.default.removeItem(atPath: authorityFile) }
        let client = try TLSEngine(
            TLSConfiguration(
                serverName: name, applicationProtocols: protocols, authorityFile: trusting ? authorityFile : nil))
        let server = try TLSTestServer(
            certificate, newestVersion: newestVersion, chosenProtocol: protocols.first)
        for _ in 0..<10 {
            _ = server.receive(client.takeOutput())
            let answer = server.takeOutput()
            if answer.isEmpty { break }
            _ = try client.receive(answer)
        }
        return (client, server)
    }

    @Test(arguments: [(TLS1_2_VERSION, "TLSv1.2"), (TLS1_3_VERSION, "TLSv1.3")])
    func carriesDataBothWays(version: Int32, name: String) throws {
        let (client, server) = try connect(
            serverCertificate(), newestVersion: version, offering: ["xmpp-client", "other"])
        #expect(client.state == .established)
        #expect(client.version == name)
        #expect(client.applicationProtocol == "xmpp-client")
        #expect(server.requestedName == "example.org")
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try client.send(bytes)
        #expect(server.receive(client.takeOutput()) == bytes)
        server.send(bytes)
        #expect(try client.receive(server.takeOutput()) == bytes)
    }

    @Test func bindsTheChannelInVersion13() throws {
        let (client, server) = try connect(serverCertificate())
        #expect(client.exporterChannelBinding == server.exporterChannelBinding)
        #expect(client.uniqueChannelBinding == nil)
        #expect(client.exporterChannelBinding != [UInt8](repeating: 0, count: 32))
    }

    @Test func bindsTheChannelAsItWasInVersion12() throws {
        let (client, server) = try connect(serverCertificate(), newestVersion: TLS1_2_VERSION)
        #expect(client.exporterChannelBinding == nil)
        var finished = [UInt8](repeating: 0, count: 64)
        let byteCount = SSL_get_peer_finished(server.ssl, &finished, finished.count)
        #expect(client.uniqueChannelBinding == Array(finished.prefix(byteCount)))
    }

    @Test func bytesOneByOneAreEnough() throws {
        let (client, server) = try connect(serverCertificate())
        server.send(Array("hello".utf8))
        let said = try server.takeOutput().flatMap { try client.receive([$0]) }
        #expect(String(decoding: said, as: UTF8.self) == "hello")
    }

    @Test(arguments: [
        ("example.org", "DNS:example.org"), ("EXAMPLE.org", "DNS:other.example,DNS:example.org"),
        ("chat.example.org", "DNS:*.example.org"), ("127.0.0.1", "IP:127.0.0.1"), ("[::1]", "IP:::1"),
    ]) func acceptsItsNames(name: String, names: String) throws {
        let (client, _) = try connect(serverCertificate(names: names), name: name)
        #expect(client.state == .established)
    }

    @Test(arguments: [
        ("example.org", "DNS:example.com", ["example.com"]),
        ("sub.chat.example.org", "DNS:*.example.org,IP:10.0.0.1,IP:::1", ["*.example.org", "10.0.0.1", "::1"]),
        ("chat.example.org", "DNS:c*.example.org", ["c*.example.org"]),
        ("127.0.0.1", "DNS:127.0.0.1", ["127.0.0.1"]),
        ("example.org", "email:me@example.org", []),
        ("example.org", "DNS:a\u{1b}[31m.org,DNS:b.org", ["b.org"]),
    ]) func refusesOtherNames(name: String, names: String, listed: [String]) throws {
        let certificate = try serverCertificate(names: names)
        let fault = CertificateFault.wrongName(
            expected: name.trimmingCharacters(in: ["[", "]"]), names: listed)
        #expect(throws: TLSError.certificateRefused(fault)) { try connect(certificate, name: name) }
    }

    @Test func refusesTheCommonNameAlone() throws {
        let certificate = try TestCertificate(commonName: "example.org", issuer: authority)
        #expect(throws: TLSError.certificateRefused(.wrongName(expected: "example.org", names: []))) {
            try connect(certificate)
        }
    }

    @Test(arguments: [
        (-7200 ... -3600, CertificateFault.expired), (3600...7200, .notYetValid),
    ]) func refusesOutOfItsTime(seconds: ClosedRange<Int>, fault: CertificateFault) throws {
        let certificate = try serverCertificate(seconds: seconds)
        #expect(throws: TLSError.certificateRefused(fault)) { try connect(certificate) }
    }

    @Test func refusesAnUnknownIssuer() throws {
        let certificate = try serverCertificate()
        #expect(throws: TLSError.certificateRefused(.unknownIssuer)) { try connect(certificate, trusting: false) }
    }

    @Test func refusesASelfSignedCertificate() throws {
        let certificate = try TestCertificate(commonName: "example.org", alternativeNames: "DNS:example.org")
        #expect(throws: TLSError.certificateRefused(.selfSigned)) { try connect(certificate) }
    }

    @Test func refusesACertificateForClients() throws {
        let certificate = try TestCertificate(
            commonName: "example.org", alternativeNames: "DNS:example.org", issuer: authority,
            extendedKeyUsage: "clientAuth")
        #expect {
            try connect(certificate)
        } throws: { error in
            if case .certificateRefused(.other(let reason)) = error as? TLSError {
                reason.contains("purpose")
            } else {
                false
            }
        }
    }

    @Test func refusesOldVersions() throws {
        let certificate = try serverCertificate()
        #expect {
            try connect(certificate, newestVersion: TLS1_1_VERSION)
        } throws: { error in
            if case .protocolFailure = error as? TLSError { true } else { false }
        }
    }

    @Test func noticesACleanEnd() throws {
        let (client, server) = try connect(serverCertificate())
        server.send(Array("bye".utf8))
        server.close()
        #expect(try client.receive(server.takeOutput()) == Array("bye".utf8))
        #expect(client.state == .closedByPeer)
        try client.endOfInput()
    }

    @Test func noticesATruncatedEnd() throws {
        let (client, _) = try connect(serverCertificate())
        #expect(throws: TLSError.truncated) { try client.endOfInput() }
        #expect(client.state == .failed)
    }

    @Test func closingTellsTheServer() throws {
        let (client, server) = try connect(serverCertificate())
        client.close()
        _ = server.receive(client.takeOutput())
        #expect(SSL_get_shutdown(server.ssl) & SSL_RECEIVED_SHUTDOWN != 0)
    }

    @Test(arguments: ["", ".example.org", "münchen.example", "a b", "exa\u{0}mple", String(repeating: "a", count: 254)])
    func refusesUnusableNames(name: String) {
        #expect(throws: TLSError.serverNameUnusable(name)) { try TLSEngine(TLSConfiguration(serverName: name)) }
    }

    @Test func refusesAnAuthorityFileWithoutCertificates() throws {
        try "nothing".write(toFile: authorityFile, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: authorityFile) }
        for path in [authorityFile, authorityFile + "-missing"] {
            #expect(throws: TLSError.authorityFileUnusable(path: path)) {
                try TLSEngine(TLSConfiguration(serverName: "example.org", authorityFile: path))
            }
        }
    }

    @Test func garbageIsAnError() throws {
        let client = try TLSEngine(TLSConfiguration(serverName: "example.org"))
        #expect {
            try client.receive(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
        } throws: { error in
            if case .protocolFailure = error as? TLSError { true } else { false }
        }
        #expect(client.state == .failed)
        #expect(try client.receive([1, 2, 3]).isEmpty)
    }

    @Test func mutatedServerBytesNeverTrap() throws {
        var random = SeededRandom(seed: 7)
        let certificate = try serverCertificate()
        for _ in 0..<50 {
            let client = try TLSEngine(TLSConfiguration(serverName: "example.org", authorityFile: authorityFile))
            let server = try TLSTestServer(certificate)
            _ = server.receive(client.takeOutput())
            var answer = server.takeOutput()
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                answer[Int.random(in: answer.indices, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            }
            // Beneath the record header of the ServerHello every byte is authenticated.
            answer[Int.random(in: 5...90, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            _ = try? client.receive(answer)
            #expect(client.state != .established)
        }
        try FileManager.default.removeItem(atPath: authorityFile)
    }
}

extension TLSEngine {
    fileprivate func send(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try send($0) } }
    fileprivate func receive(_ bytes: [UInt8]) throws -> [UInt8] { try bytes.withUnsafeBytes { try receive($0) } }
}
