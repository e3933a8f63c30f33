import TerminalUI

extension CheckReport {
    /// The report for a person, as lines of printable text.
    var lines: [String] {
        var lines = section("Connection", connectionRows)
        if let server { lines += [""] + section("Server", rows(of: server)) }
        if let services { lines += [""] + table(of: services) }
        if let network { lines += [""] + section("Network", rows(of: network)) }
        if let recipient { lines += [""] + self.lines(of: recipient) }
        return lines
    }

    private func section(_ title: String, _ rows: [(String, String)]) -> [String] {
        var table = Table([.left, .left])
        for (name, value) in rows { table.append(["  " + name, value]) }
        return [title] + table.lines
    }

    private var connectionRows: [(String, String)] {
        let host = connection.host.contains(":") ? "[\(connection.host)]" : connection.host
        let ip = connection.ip.flatMap { $0 == connection.host ? nil : " (\($0))" } ?? ""
        let security = connection.security == "direct-tls" ? "direct TLS" : "STARTTLS"
        return [
            ("account", account), ("server", "\(host):\(connection.port)\(ip)"),
            ("encryption", "\(security), \(connection.tlsVersion)"), ("log-in", connection.saslMechanism),
        ]
    }

    private func rows(of server: Server) -> [(String, String)] {
        func word(_ flag: Bool) -> String { flag ? "yes" : "no" }
        var rows = [
            ("STUN and TURN list (XEP-0215)", word(server.externalServices)),
            ("stream management (XEP-0198)", word(server.streamManagement)),
            ("carbons (XEP-0280)", word(server.carbons)),
        ]
        let name = "SOCKS5 proxy (XEP-0065)"
        rows += server.proxies.map { proxy in
            let place = proxy.hosts.isEmpty ? proxy.reason ?? "without an address" : proxy.hosts.joined(separator: ", ")
            return (name, "\(proxy.address): \(place)")
        }
        if server.proxies.isEmpty { rows.append((name, "no")) }
        let upload = "HTTP upload (XEP-0363)"
        rows += server.uploads.map { service in
            let limit = service.maximumFileByteCount.map { "up to \(Format.bytes($0)) a file" } ?? "limit not announced"
            return (upload, "\(service.address): \(limit)")
        }
        if server.uploads.isEmpty { rows.append((upload, "no")) }
        return rows
    }

    private func table(of services: [Service]) -> [String] {
        guard !services.isEmpty else { return ["STUN and TURN servers", "  none"] }
        var table = Table([.left, .left, .left, .left])
        for service in services {
            let host = service.host.contains(":") ? "[\(service.host)]" : service.host
            let verdict = service.works.map { $0 ? "works" : "does not work" } ?? "not used"
            let detail =
                service.reason ?? service.address.map { service.kind == "turn" ? "relays at \($0)" : "sees \($0)" }
            let version = service.ipVersion.map { "IPv\($0)" } ?? ""
            table.append([
                "  " + [service.kind, service.transport].compactMap(\.self).joined(separator: " "),
                "\(host):\(service.port)", version, verdict + (detail.map { ": " + $0 } ?? ""),
            ])
        }
        return ["STUN and TURN servers"] + table.lines
    }

    private func rows(of network: Network) -> [(String, String)] {
        let udp =
            switch network.udp {
            case "open": "gets through"
            case "blocked": "does not get through"
            default: "unknown: there is no server to try it with"
            }
        let relay =
            switch network.relay {
            case "none": "none: without a direct path nothing is transferred"
            default: "works over \(network.relay.uppercased())"
            }
        return [("UDP", udp), ("relay", relay)] + rows(of: network.ipv4, "IPv4") + rows(of: network.ipv6, "IPv6")
    }

    private func rows(of family: Family, _ name: String) -> [(String, String)] {
        guard !family.hostAddresses.isEmpty else { return [(name, "no address")] }
        var rows = [
            (name, family.hostAddresses.joined(separator: ", ")),
            ("\(name) from outside", family.publicAddress ?? "unknown: \(family.mappingBasis)"),
        ]
        switch (family.nat, family.mapping) {
        case ("none", _): rows.append(("\(name) NAT", "none"))
        case ("translated", "endpoint-independent"):
            rows.append(
                (
                    "\(name) NAT",
                    "one mapping for all destinations, so direct paths can be made (\(family.mappingBasis))"
                ))
        case ("translated", "endpoint-dependent"):
            let text = "a mapping for each destination, so two such hosts need a relay (\(family.mappingBasis))"
            rows.append(("\(name) NAT", text))
        case ("translated", _): rows.append(("\(name) NAT", "yes; of which kind is unknown: \(family.mappingBasis)"))
        default: rows.append(("\(name) NAT", "unknown"))
        }
        return rows
    }

    private func lines(of peer: Peer) -> [String] {
        var rows: [(String, String)] = []
        switch peer.subscription {
        case "self": rows.append(("contact", "your own account"))
        case "both": rows.append(("contact", "yes, you see each other's presence"))
        case "to": rows.append(("contact", "yes, you see their presence"))
        case "from": rows.append(("contact", "they see your presence, you do not see theirs"))
        case "none": rows.append(("contact", "no"))
        default: break
        }
        let reachable = peer.reachable.map { $0 ? "yes" : "no" } ?? "cannot be told"
        let receive = peer.canReceive.map { $0 ? "yes" : "no" } ?? "cannot be told"
        rows += [("reachable", reachable), ("can receive", receive)]
        if let reason = peer.reason { rows.append(("because", reason)) }
        var lines = section("Peer \(peer.address)", rows)
        for device in peer.devices { lines += [""] + section("Device \(device.address)", self.rows(of: device)) }
        return lines
    }

    private func rows(of device: PeerDevice) -> [(String, String)] {
        var rows: [(String, String)] = []
        let client = [device.client, device.type.map { "(\($0))" }].compactMap(\.self).joined(separator: " ")
        rows.append(("client", client.isEmpty ? "unknown" : client))
        if let jingle = device.jingle {
            rows.append(("Jingle", jingle ? "yes" : "no"))
            rows.append(("file transfer", device.fileTransfer == true ? "yes" : "no"))
            rows.append(("transports", device.transports.isEmpty ? "none" : device.transports.joined(separator: ", ")))
            if device.takesProposals == false { rows.append(("asked by the bare address", "no")) }
        }
        let verdict =
            switch device.canReceive {
            case true?: "yes, over \(device.sharedTransports.joined(separator: ", "))"
            case false?: "no, because \(device.reason ?? "it cannot")"
            case nil: "cannot be told: \(device.reason ?? "it does not say")"
            }
        rows.append(("can receive from this sleigh", verdict))
        if device.canReceive == true, let caveat = device.caveat { rows.append(("but", caveat)) }
        return rows
    }
}
