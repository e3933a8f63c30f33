// XEP-0215: the servers that ICE uses, as the account's own server names them.
public import ICE
public import XMPP

extension ICEConfiguration {
    /// Uses the STUN and TURN servers of a list; what libnice cannot speak (TLS to the TURN server) is left out.
    ///
    /// - Parameters:
    ///   - services: what the account's server offers, in its order.
    ///   - relayOnly: whether to hide our addresses from the peer by using relays only.
    public init(services: [ExternalService], relayOnly: Bool) {
        self.init()
        forceRelay = relayOnly
        for service in services {
            let port = service.port ?? 3478
            switch service.kind {
            case .stun where service.transport != .tcp:
                stunServers.append(STUNServer(host: service.host, port: port))
            case .turn:
                guard let username = service.username, let password = service.password,
                    turnServers.count < Self.maximumTURNServerCount
                else { continue }
                turnServers.append(
                    TURNServer(
                        host: service.host, port: port, transport: service.transport == .tcp ? .tcp : .udp,
                        username: username, password: password.text))
            case .stun, .stuns, .turns:
                continue
            }
        }
    }
}
