import ICE
import TestSupport
import Testing

extension ICETests {
    /// Servers asked one by one; what a NAT does is for the end-to-end tests.
    @Suite(.enabled(if: TURNRelay.isInstalled), .timeLimit(.minutes(10)))
    struct ProbeTests {
        private func address(of relay: TURNRelay) throws -> ICEAddress {
            try #require(ICEAddress(ip: "127.0.0.1", port: relay.port))
        }

        @Test func serversAnswer() async throws {
            let relay = try await TURNRelay()
            let probe = try ICEProbe(loop: ICELoop())
            let server = try address(of: relay)
            let (outcome, reflection) = try await probe.stun(server)
            let seen = try #require(reflection)
            #expect(outcome == .answered(seen.outside))
            #expect(seen.outside == seen.local && seen.local.ip == "127.0.0.1")
            for transport in [TURNServer.Transport.udp, .tcp] {
                guard case .answered(let relayed) = try await probe.turn(relay.server(transport), at: server) else {
                    Issue.record("no relay over \(transport)")
                    continue
                }
                #expect(relayed.ip == "127.0.0.1" && relayed.port != relay.port)
            }
        }

        /// Of the tests themselves: coturn itself would try to get its port for a minute.
        @Test func serverWithoutItsPortGetsAnother() async throws {
            let held = try HeldPort()
            let relay = try await TURNRelay(trying: held.port)
            #expect(relay.port != held.port)
            #expect(try await ICEProbe(loop: ICELoop()).stun(try address(of: relay)).reflection != nil)
        }

        @Test(arguments: [TURNServer.Transport.udp, .tcp])
        func wrongPasswordIsARefusal(_ transport: TURNServer.Transport) async throws {
            let relay = try await TURNRelay()
            let server = relay.server(transport, password: "wrong")
            let outcome = try await ICEProbe(loop: ICELoop()).turn(server, at: address(of: relay))
            #expect(outcome == .refused)
        }

        @Test func silenceIsToldFromARefusal() async throws {
            let silent = try HeldPort()
            let server = try #require(ICEAddress(ip: "127.0.0.1", port: silent.port))
            let probe = try ICEProbe(loop: ICELoop())
            async let stun = probe.stun(server).outcome
            async let turn = probe.turn(
                TURNServer(host: "127.0.0.1", port: silent.port, transport: .udp, username: "u", password: "p"),
                at: server)
            #expect(try await stun == .silent)
            #expect(try await turn == .silent)
        }

        @Test func twoServersAreAskedFromOnePort() async throws {
            let (first, second) = try await (TURNRelay(), TURNRelay())
            let probe = try ICEProbe(loop: ICELoop())
            let reflection = try #require(try await probe.stun(address(of: first)).reflection)
            #expect(try await probe.mapping(comparing: reflection, with: address(of: second)) == .endpointIndependent)
            let silent = try HeldPort()
            let nobody = try #require(ICEAddress(ip: "127.0.0.1", port: silent.port))
            #expect(try await probe.mapping(comparing: reflection, with: nobody) == nil)
        }

        @Test func agentsLeaveNothingBehind() async throws {
            let relay = try await TURNRelay()
            let server = try address(of: relay)
            let loop = try ICELoop()
            let probe = ICEProbe(loop: loop)
            try await FileDescriptors.expectNoMore(with: loop) {
                _ = try await probe.turn(relay.server(.tcp), at: server)
                _ = try await probe.mapping(stun: server, relayedBy: relay.server(.udp), at: server)
            }
        }

        @Test(arguments: ["", "no such name", "nowhere.invalid"])
        func namesWithoutAddressHaveNone(_ host: String) async {
            #expect(await ICEProbe.addresses(ofHost: host, port: 3478).isEmpty)
        }

        @Test(arguments: ["192.0.2.1", "2001:db8::1"])
        func numericAddressesNeedNoLookUp(_ host: String) async throws {
            let address = try #require(ICEAddress(ip: host, port: 5))
            #expect(await ICEProbe.addresses(ofHost: host, port: 5) == [address])
        }
    }
}
