import Testing
import XMPP

@testable import FileTransfer

/// How a file gets to a person, by what their devices say.
struct DeviceSurveyTests {
    private static let receiver = ["urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:file-transfer:5"]
    private static let sleigh = TransferService.features
    /// One that shares a transport with this program, but takes no proposals.
    private static let simple = receiver + ["urn:sleigh:jingle:transports:ice-quic:0"]
    private static let strange = receiver + ["urn:xmpp:jingle:transports:raw-udp:1"]

    private func survey(_ devices: [(String, Int8, [String]?)]) throws -> DeviceSurvey {
        DeviceSurvey(
            devices: try devices.map { resource, priority, features in
                DeviceSurvey.Device(
                    address: try #require(JID("bob@b/\(resource)")), priority: priority,
                    answer: features.map { .success(ServiceDiscoveryInfo(identities: [], features: $0)) }
                        ?? .failure(StanzaChannelError.timedOut))
            })
    }

    private func device(_ resource: String) throws -> JID { try #require(JID("bob@b/\(resource)")) }

    @Test func whoeverMayTakeAProposalIsAskedByOne() throws {
        #expect(try survey([]).way == .proposal)
        #expect(try survey([("a", 0, Self.sleigh)]).way == .proposal)
        #expect(try survey([("a", 5, Self.simple), ("b", 0, Self.sleigh)]).way == .proposal)
        // Nobody knows what the silent one can do.
        #expect(try survey([("a", 0, nil)]).way == .proposal)
        #expect(try survey([("a", 0, Self.strange), ("b", 0, nil)]).way == .proposal)
    }

    @Test func othersGetASession() throws {
        #expect(try survey([("a", 0, Self.simple)]).way == .session(device("a")))
        #expect(try survey([("a", 5, Self.strange), ("b", 0, Self.simple)]).way == .session(device("b")))
        #expect(try survey([("a", 0, Self.simple), ("b", 0, nil)]).way == .session(device("a")))
        // A proposal to the bare address does not reach a device of negative priority.
        #expect(try survey([("a", -1, Self.sleigh)]).way == .session(device("a")))
    }

    @Test func whoeverCanNotIsToldWhy() throws {
        guard case .none(let one) = try survey([("a", 0, Self.strange)]).way else {
            Issue.record("there is a way")
            return
        }
        #expect(one.contains("only raw-udp"))
        guard case .none(let two) = try survey([("a", 0, Self.strange), ("b", 0, [])]).way else {
            Issue.record("there is a way")
            return
        }
        #expect(two.contains("a: ") && two.contains("b: it does not negotiate"))
    }
}
