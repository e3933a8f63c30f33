// XEP-0215: the servers that ICE uses, as the account's own server names them.
public import ICE
public import XMPP

extension ICEConfiguration {
    /// Uses the STUN and TURN servers of a list; what libnice cannot speak (TLS to the TURN server) is left out.
    ///
    /// - Parameters:
    ///   - services: what the account's server offers, in its order.
    ///   - allowed: the paths that may be used.
    public init(services: [ExternalService], allowed: AllowedPaths) {
        self.init()
        forceRelay = !allowed.contains(.directUDP)
        for service in services {
            let port = service.port ?? 3478
            switch service.kind {
            case .stun where service.transport != .tcp && allowed.contains(.directUDP):
                stunServers.append(STUNServer(host: service.host, port: port))
            case .turn where allowed.contains(.relay):
                guard let username = service.username, let password = service.password,
                    turnServers.count < Self.maximumTURNServerCount
                else { continue }
                turnServers.append(
                    TURNServer(
                        host: service.host, port: port, transport: service.transport == .tcp ? .tcp : .udp,
                        username: username, password: password.text))
            case .stun, .stuns, .turn, .turns:
                continue
            }
        }
    }
}
