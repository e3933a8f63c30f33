import Foundation
import Testing

/// A client that is no sleigh, as it was seen on the wire; `Fixtures` holds what it said.
enum OtherClient: String, Sendable {
    case gajim = "Gajim"
    case dino = "Dino"
    case libervia = "Libervia"
    /// The capture of it that is not real, but written from the XEPs and its source.
    case conversations = "Conversations"

    /// What it says in service discovery.
    var features: [String] {
        get throws {
            let file = World.packageFolder.appending(path: "Fixtures/clients/disco-info.xml")
            let answers = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "</ns0:query>")
            // Conversations is like Dino as far as files go.
            let name = self == .conversations ? OtherClient.dino.rawValue : rawValue
            let answer = try #require(answers.first { $0.contains("name=\"\(name)\"") })
            return answer.matches(of: /<ns0:feature var="([^"]+)"/).map { String($0.1) }
        }
    }
}

/// A session of the fixtures, with both of its clients.
struct CapturedSession: Sendable, CustomTestStringConvertible {
    var name: String
    var initiator: OtherClient
    var responder: OtherClient
    var topology: Topology
    /// The path sleigh must report.
    var path: String
    /// Whether a checksum that the initiator tells can be compared.
    var isVerified: Bool
    var server: [String] = ["--components"]

    var testDescription: String { name }
    /// Whether the initiator asks all devices first (XEP-0353).
    var startsWithProposal: Bool { initiator == .libervia && responder == .libervia }

    /// Those in which the file arrived.
    static let all = [
        CapturedSession(
            name: "gajim-to-dino-s5b-direct", initiator: .gajim, responder: .dino, topology: .lan,
            path: "socks5 direct", isVerified: false),
        CapturedSession(
            name: "gajim-to-dino-proxy65", initiator: .gajim, responder: .dino, topology: .twoNATs,
            path: "socks5 proxy", isVerified: false),
        CapturedSession(
            name: "gajim-to-gajim-s5b-direct", initiator: .gajim, responder: .gajim, topology: .lan,
            path: "socks5 direct", isVerified: true),
        CapturedSession(
            name: "gajim-to-gajim-proxy65", initiator: .gajim, responder: .gajim, topology: .twoNATs,
            path: "socks5 proxy", isVerified: true),
        CapturedSession(
            name: "dino-to-gajim-proxy65", initiator: .dino, responder: .gajim, topology: .twoNATs,
            path: "socks5 proxy", isVerified: false),
        CapturedSession(
            name: "libervia-to-dino-s5b-direct", initiator: .libervia, responder: .dino, topology: .lan,
            path: "socks5 direct", isVerified: true),
        CapturedSession(
            name: "libervia-to-libervia-s5b-direct", initiator: .libervia, responder: .libervia, topology: .lan,
            path: "socks5 direct", isVerified: true),
        CapturedSession(
            name: "libervia-to-libervia-ibb", initiator: .libervia, responder: .libervia, topology: .twoNATs,
            path: "in-band", isVerified: true, server: []),
    ]
}

extension World {
    /// Starts a client that plays one side of a capture: as alice on host a it offers, as bob on host b it answers.
    ///
    /// - Parameters:
    ///   - file: what it sends, or where it puts what it gets.
    ///   - peer: whom an initiator sends to.
    func play(
        _ name: String, as client: OtherClient, initiating peer: String? = nil, file: URL, isHasty: Bool = false
    ) async throws -> Program {
        let capture = Self.packageFolder.appending(path: "Fixtures/jingle/\(name).xml").path
        let role = peer == nil ? "responder" : "initiator"
        return try await scriptedClient(
            peer == nil ? "bob" : "alice", on: peer == nil ? .b : .a, resource: client.rawValue.lowercased(),
            name: client.rawValue, features: client.features,
            playing: [capture, role, file.path] + (peer.map { [$0] } ?? []) + (isHasty ? ["hasty"] : []))
    }
}
